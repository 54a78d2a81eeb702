//! Bytes that no client should send.

use std::io::Write;
use std::sync::{Arc, Mutex};

use openchat_protocol::account::Hello;
use openchat_protocol::{Event, RefusalCode, Request, Response, ServerFrame, limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::wire::{Wire, code, dial};
use crate::world::World;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Write::write(&mut *self.0.lock().unwrap(), bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test]
async fn what_is_not_tls_is_dropped_with_one_line_that_names_nobody() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let world = World::new().await;
    let mut stream = dial([127, 0, 0, 3], world.server.addr()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: chat\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // Closed with an alert, or reset because not all was read.
    _ = stream.read_to_end(&mut answer).await;
    assert!(answer.len() < 16, "{answer:?}");
    let alice = world.user("alice").await;
    Wire::log_in(&world, &alice).await;
    let text = log.text();
    assert!(text.contains("no TLS handshake"), "{text}");
    assert!(!text.contains("127.0.0."), "{text}");
    assert!(!text.contains("alice"), "{text}");
    assert!(!text.contains(&alice.id.uid.to_string()), "{text}");
}

#[tokio::test]
async fn a_frame_over_the_limit_before_login_is_refused_by_its_header_alone() {
    let world = World::new().await;
    let mut wire = Wire::connect(&world, None).await;
    let length = u32::try_from(limits::FRAME_BEFORE_LOGIN + 1).unwrap();
    wire.send_bytes(&length.to_be_bytes()).await;
    let reason = wire.goodbye().await;
    assert_eq!(reason.code, Some(RefusalCode::TooLarge));
    assert!(reason.detail.contains("65536"), "{reason}");
}

#[tokio::test]
async fn after_login_the_limit_is_higher_and_still_one() {
    let world = World::new().await;
    let alice = world.user("alice").await;
    let mut wire = Wire::log_in(&world, &alice).await;
    let body = vec![0; limits::FRAME_BEFORE_LOGIN + 1];
    wire.send_bytes(&u32::try_from(body.len()).unwrap().to_be_bytes()).await;
    wire.send_bytes(&body).await;
    assert_eq!(wire.goodbye().await.code, Some(RefusalCode::Malformed));

    let mut wire = Wire::log_in(&world, &alice).await;
    wire.send_bytes(&u32::try_from(limits::FRAME + 1).unwrap().to_be_bytes()).await;
    assert_eq!(wire.goodbye().await.code, Some(RefusalCode::TooLarge));
}

#[tokio::test]
async fn garbage_in_a_frame_ends_the_connection_and_an_empty_frame_too() {
    let world = World::new().await;
    for bytes in [&b"\0\0\0\x05hello"[..], &[0, 0, 0, 0]] {
        let mut wire = Wire::connect(&world, None).await;
        wire.send_bytes(bytes).await;
        assert_eq!(wire.goodbye().await.code, Some(RefusalCode::Malformed));
    }
}

#[tokio::test]
async fn a_request_that_cannot_be_understood_is_refused_under_its_own_id() {
    let world = World::new().await;
    let mut wire = Wire::connect(&world, None).await;
    wire.hello().await;
    let mut refused = async |id: u8, request: &[u8], expected| {
        let body = [&[0x82, id], request].concat();
        wire.send_bytes(&u32::try_from(body.len()).unwrap().to_be_bytes()).await;
        wire.send_bytes(&body).await;
        match wire.frame().await {
            Some(ServerFrame::Refused { id: refused, refusal }) => {
                assert_eq!((refused, refusal.code), (u64::from(id), Some(expected)));
            }
            other => panic!("{other:?}"),
        }
    };
    // [200, []]: a request of a later version.
    refused(7, &[0x82, 0x18, 200, 0x80], RefusalCode::Unsupported).await;
    // [3, ["no login"]]
    refused(8, &[0x82, 3, 0x81, 0x61, b'x'], RefusalCode::Malformed).await;
    // [15, []] and a byte more.
    refused(9, &[0x82, 15, 0x80, 0], RefusalCode::Malformed).await;
    assert_eq!(wire.ask(Request::Ping).await, Ok(Response::Done));
}

#[tokio::test]
async fn a_client_of_a_newer_protocol_is_told_both_ranges() {
    let world = World::new().await;
    let mut wire = Wire::connect(&world, None).await;
    let refusal = wire.ask(Request::Hello(Hello { version: 3, oldest_version: 2 })).await.unwrap_err();
    assert_eq!(refusal.code, Some(RefusalCode::Version));
    assert!(refusal.detail.contains("1 to 1") && refusal.detail.contains("2 to 3"), "{refusal}");
    assert_eq!(code(wire.ask(Request::Ping).await), RefusalCode::NotLoggedIn);
}

#[tokio::test]
async fn a_stranger_may_not_ask_for_ever() {
    let world = World::new().await;
    let mut wire = Wire::connect(&world, None).await;
    for _ in 0..17 {
        wire.send(Request::Hello(Hello { version: 1, oldest_version: 1 })).await;
    }
    assert_eq!(wire.goodbye().await.code, Some(RefusalCode::RateLimited));
}

#[tokio::test]
async fn random_bytes_of_a_device_that_is_logged_in_end_its_session_and_no_other() {
    let world = World::new().await;
    let (alice, mallory) = (world.user("alice").await, world.user("mallory").await);
    let mut alices = Wire::log_in(&world, &alice).await;
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..50 {
        let mut mallorys = Wire::log_in(&world, &mallory).await;
        let body: Vec<u8> = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_be_bytes()[0]
        })
        .take(64)
        .collect();
        mallorys.send_bytes(&[&64u32.to_be_bytes()[..], &body].concat()).await;
        // Refused, or the end: never silence.
        match mallorys.frame().await {
            Some(ServerFrame::Refused { .. } | ServerFrame::Event(Event::Goodbye(_))) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(alices.ask(Request::Ping).await, Ok(Response::Done));
}
