"""The other side of sealed lines: Fernet as Python's `cryptography` has it. One JSON question a line, one answer."""

import json
import sys

from cryptography.fernet import Fernet

for line in sys.stdin:
    question = json.loads(line)
    given = question["with"]
    fernet = Fernet(given["key"])
    if question["do"] == "open":
        answer = {"text": fernet.decrypt(given["token"]).decode()}
    else:
        answer = {"token": fernet.encrypt(given["text"].encode()).decode()}
    print(json.dumps(answer), flush=True)
