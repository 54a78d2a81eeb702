//! What the server does not answer is a task, which can be given up, and goes on when the server is back.

use openchat_tests::ServerProcess;
use rustix::process::{Pid, Signal, kill_process};

use crate::two_in_a_room;

fn signal(server: &ServerProcess, signal: Signal) {
    let process = i32::try_from(server.id()).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(process, signal).expect("the signal is sent");
}

#[test]
fn a_task_that_a_stopped_server_does_not_answer_is_given_up() {
    let (_home, server, mut alice, _bob) = two_in_a_room();
    signal(&server, Signal::STOP);
    alice.enter("/list");
    alice.sees("listing the server's rooms");
    alice.press("f3");
    alice.sees("▸ ◌ listing the server's rooms");
    alice.press("x");
    alice.sees_no("listing the server's rooms");
    alice.press("esc");
    alice.sees_no("Tasks");
    // Its answer is not waited for, and opens nothing.
    signal(&server, Signal::CONT);
    alice.enter("said afterwards");
    alice.sees("said afterwards");
    alice.sees_no("to send");
    assert!(!alice.screen().contains("Rooms on this server"), "{}", alice.screen());
    alice.enter("/list");
    alice.sees("Rooms on this server");
}

#[test]
fn a_task_without_a_server_waits_for_it_and_goes_on() {
    let (home, server, mut alice, _bob) = two_in_a_room();
    let address = server.kill();
    alice.sees("offline");
    for room in ["dropped", "later"] {
        alice.enter(&format!("/create {room}"));
    }
    alice.press("f3");
    alice.sees("connection to 127.0.0.1");
    alice.sees("▸ … creating #dropped: waits for the connection");
    alice.sees("… creating #later: waits for the connection");
    alice.press("x");
    alice.sees_no("#dropped");
    alice.press("esc");
    alice.sees_no("Tasks");
    let _server = ServerProcess::start_at(&home, address, &[]);
    alice.sees("online");
    alice.sees_no("creating #later");
    alice.sees("#later");
    alice.enter("/join later");
    alice.sees("▸#later");
    alice.sees("alice made the room");
    alice.enter("/list");
    alice.sees("Rooms on this server");
    assert!(!alice.screen().contains("dropped"), "{}", alice.screen());
}
