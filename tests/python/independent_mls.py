"""A member of rooms that knows nothing of OpenChat's code: MLS (RFC 9420) by the `rfc9420` package.

Driven by `tests/tests/independent_mls.rs`: one JSON object a line on stdin, one answer a line on stdout, bytes as `0x…`.
Besides MLS it knows two facts about rooms: the extension type of the room's policy, and how contents are padded.

Cryptography, tree, key schedule, transcript and the protection of messages are the package's. Where version 1.3.0 does
not do what RFC 9420 asks of a member of such a room, this script steps in, and says so at the place.
"""

import dataclasses
import json
import sys
import traceback
from unittest import mock

from rfc9420 import DefaultCryptoProvider, ProtocolMLSGroup, SenderType
from rfc9420.extensions import extensions as extension_types
from rfc9420.extensions.extensions import Extension, ExtensionType, build_capabilities_data, serialize_extensions
from rfc9420.messages import data_structures
from rfc9420.messages.data_structures import (
    CipherSuite,
    Commit,
    Credential,
    CredentialType,
    GroupInfo,
    RemoveProposal,
    Sender,
    Signature,
    Welcome,
)
from rfc9420.messages.key_packages import KeyPackage, LeafNode, LeafNodeSource
from rfc9420.messages.messages import (
    AuthenticatedContent,
    AuthenticatedContentTBS,
    ContentType,
    FramedContent,
    MLSCiphertext,
    MLSMessage,
    MLSPlaintext,
    WireFormat,
    attach_membership_tag,
    unprotect_content_handshake,
)
from rfc9420.protocol.tree.ratchet_tree import RatchetTree
from rfc9420.protocol.tree.ratchet_tree_backend import register_tree_backend

SUITE = 0x0007  # MLS_256_DHKEMP384_AES256GCM_SHA384_P384
ROOM_POLICY = 0xF0C1  # OpenChat's extension of the group context, private use (RFC 9420 §17.3)


class Tree(RatchetTree):
    backend_id = "openchat-test"

    def _filtered_direct_path_pairs(self, node_index, excluded_leaf_pubkeys=None):
        """The package leaves out path nodes above nobody but members that the same commit adds. Such members get no
        path secret (§7.6), but the filtered direct path (§4.1.2) is that of the tree with them in it."""
        return super()._filtered_direct_path_pairs(node_index)


register_tree_backend(Tree.backend_id, Tree)


class Peer:
    def __init__(self):
        self.crypto = DefaultCryptoProvider(SUITE)
        self.group = None

    # --- joining ---

    def key_package(self, chain, key, not_before, not_after):
        """A key package for the device with certificate `chain` and private `key` (PKCS#8)."""
        self.signing_key = key
        self.leaf_private, leaf_public = self.crypto.generate_key_pair()
        self.init_private, init_public = self.crypto.generate_key_pair()
        # Values for extensibility (GREASE, RFC 9420 §13.5) come along: members must bear them.
        capabilities = build_capabilities_data([SUITE], [ROOM_POLICY], credentials=[CredentialType.X509])
        leaf = LeafNode(
            encryption_key=leaf_public,
            signature_key=self.crypto.signature_public_from_private(key),
            capabilities=capabilities,
            credential=Credential(b"", b"", CredentialType.X509, certificates=chain),
            leaf_node_source=LeafNodeSource.KEY_PACKAGE,
            lifetime_not_before=not_before,
            lifetime_not_after=not_after,
        )
        leaf = self.signed(leaf, b"LeafNodeTBS")
        suite = self.crypto.active_ciphersuite
        suite = CipherSuite(suite.kem, suite.kdf, suite.aead, suite_id=SUITE)
        self.package = self.signed(KeyPackage(cipher_suite=suite, init_key=init_public, leaf_node=leaf), b"KeyPackageTBS")
        self.package.verify(self.crypto)
        return {"key_package": MLSMessage.from_key_package(self.package).serialize()}

    def signed(self, value, label):
        signature = self.crypto.sign_with_label(self.signing_key, label, value.tbs_serialize())
        return dataclasses.replace(value, signature=Signature(signature))

    def join(self, welcome, tree):
        """Joins by a Welcome; the ratchet tree came beside it (RFC 9420 §12.4.3.3)."""
        welcome = content(welcome, WireFormat.WELCOME, Welcome)
        known = extension_types.DEFAULT_EXTENSION_TYPES | {ROOM_POLICY}
        with (
            # The package takes the tree from the GroupInfo only.
            mock.patch.object(data_structures, "GroupInfo", group_info_with(tree)),
            # It compares the group context's extensions (§12.4.3.1) with the capabilities of a leaf that it has not
            # looked up yet, thus with none.
            mock.patch.object(extension_types, "DEFAULT_EXTENSION_TYPES", known),
            # It wants every leaf to have the parent hash of its present path. A leaf keeps the one of its last commit,
            # which others commit over; that each parent is linked to some leaf (§7.9.2) the package checks besides.
            mock.patch.object(RatchetTree, "_compute_parent_hash_for_leaf", stored_parent_hash),
        ):
            self.group = ProtocolMLSGroup.from_welcome(
                welcome=welcome,
                hpke_private_key=self.init_private,
                crypto_provider=self.crypto,
                key_package=self.package,
                encryption_private_key=self.leaf_private,
                tree_backend=Tree.backend_id,
            )
        if self.group.get_own_leaf_index() < 0:
            raise ValueError("the tree has no leaf of this device")
        return self.state()

    # --- in the room ---

    def state(self):
        return {"epoch": self.group.get_epoch(), "leaf": self.group.get_own_leaf_index()}

    def export(self, label, context, length):
        """MLS-Exporter (RFC 9420 §8.5). It hashes the context, which the package leaves out."""
        return {"secret": self.group.export_secret(label.encode(), self.crypto.hash(context), length)}

    def seal(self, plain):
        message = self.group.protect(pad(plain), signing_key=self.signing_key)
        return {"payload": MLSMessage.from_private_message(message).serialize()}

    def open(self, payload):
        """The next record of the room's log."""
        message = MLSMessage.deserialize(payload)
        if message.wire_format == WireFormat.PUBLIC_MESSAGE:
            return self.external_commit(message.get_parsed_content())
        message = content(payload, WireFormat.PRIVATE_MESSAGE, MLSCiphertext)
        if message.content_type == ContentType.COMMIT:
            return self.member_commit(message)
        sender, padded = self.group.unprotect(message)
        return {"sender": sender, "plain": unpad(padded)}

    def member_commit(self, message):
        """An encrypted commit of a member. The package processes commits in PublicMessages, so it is made into one."""
        group = self.group
        sender, body, auth = unprotect_content_handshake(message, group._key_schedule, group._secret_tree, self.crypto)
        if any(removes(it, group.get_own_leaf_index()) for it in Commit.deserialize(body).proposals):
            # Nothing can be derived any more (§12.4.2), which the package takes for a damaged commit.
            return {"removed": True}
        framed = FramedContent(
            message.group_id, message.epoch, Sender(sender), message.authenticated_data, ContentType.COMMIT, body
        )
        # The wire format stays that of the PrivateMessage: signature (§6.1) and transcript (§8.2) cover it.
        tbs = AuthenticatedContentTBS(WireFormat.PRIVATE_MESSAGE, framed, group._group_context.serialize())
        # Only a PublicMessage has a membership tag (§6.2); the package asks every commit for one.
        plaintext = MLSPlaintext(AuthenticatedContent(tbs, auth))
        plaintext = attach_membership_tag(plaintext, group._key_schedule.membership_key, self.crypto)
        group.process_commit(plaintext, sender)
        return self.state()

    def external_commit(self, message):
        """Somebody joins from outside (§12.4.3.2)."""
        tbs = message.tbs
        if tbs.framed_content.sender.sender_type != SenderType.NEW_MEMBER_COMMIT:
            raise ValueError("a PublicMessage that is no external commit")
        # The joiner's leaf is the leftmost blank one, else the tree grows; the package takes the leaf from the sender,
        # which carries none on the wire (§6).
        tree = self.group._ratchet_tree
        leaves = range(tree.n_leaves)
        index = next((leaf for leaf in leaves if tree.get_node(leaf * 2).leaf_node is None), tree.n_leaves)
        if index == tree.n_leaves:
            tree._n_leaves *= 2
        framed = dataclasses.replace(tbs.framed_content, sender=Sender(index, SenderType.NEW_MEMBER_COMMIT))
        message = dataclasses.replace(message, tbs=dataclasses.replace(tbs, framed_content=framed))
        self.group.process_external_commit(MLSPlaintext(message))
        return self.state()


def content(payload, wire_format, kind):
    """The one message of `kind` in `payload`."""
    message = MLSMessage.deserialize(payload)
    if message.wire_format != wire_format:
        raise ValueError(f"wire format {message.wire_format} instead of {wire_format}")
    return kind.deserialize(message.content)


def group_info_with(tree):
    """The package's GroupInfo, which finds `tree` among its extensions as if it had been sent there."""

    class GroupInfoWithTree(GroupInfo):
        @classmethod
        def deserialize(cls, data):
            info = super().deserialize(data)
            extension = Extension(ExtensionType.RATCHET_TREE, tree)
            object.__setattr__(info, "signed", GroupInfo.deserialize(data).tbs_serialize())
            object.__setattr__(info, "extensions", info.extensions + serialize_extensions([extension]))
            return info

        def tbs_serialize(self):
            return self.signed

    return GroupInfoWithTree


def stored_parent_hash(tree, leaf):
    return tree.get_node(leaf * 2).leaf_node.parent_hash


def removes(entry, leaf):
    return isinstance(entry.proposal, RemoveProposal) and entry.proposal.removed == leaf


# --- contents: 0x80 and zeros up to a length of Padmé, at least 256 ---


def padme(length):
    exponent = length.bit_length() - 1
    mask = (1 << (exponent - exponent.bit_length())) - 1
    return (length + mask) & ~mask


def pad(plain):
    marked = plain + b"\x80"
    return marked.ljust(max(256, padme(len(marked))), b"\0")


def unpad(padded):
    plain, mark, rest = padded.rpartition(b"\x80")
    if not mark or rest.strip(b"\0") or pad(plain) != padded:
        raise ValueError("not padded as contents are")
    return plain


# --- the pipe ---


def main():
    peer = Peer()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(peer, request["do"])(**decoded(request["with"]))
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(encoded(answer)), flush=True)


def decoded(arguments):
    """The arguments with their bytes."""
    if isinstance(arguments, dict):
        return {name: decoded(value) for name, value in arguments.items()}
    if isinstance(arguments, list):
        return [decoded(value) for value in arguments]
    if isinstance(arguments, str) and arguments.startswith("0x"):
        return bytes.fromhex(arguments[2:])
    return arguments


def encoded(answer):
    return {name: "0x" + value.hex() if isinstance(value, bytes) else value for name, value in answer.items()}


if __name__ == "__main__":
    main()
