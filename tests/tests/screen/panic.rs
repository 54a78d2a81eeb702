//! A fault of the program itself. The product has no way to ask for one: the story shows the same screen beside something
//! that fails on its thread, in a process of its own.

use std::future::Future;
use std::pin::Pin;

use openchat_client::ClientError;
use openchat_protocol::ServerFingerprint;
use openchat_tests::{Openchat, Terminal};
use openchat_tui::settings::Settings;
use openchat_tui::{Door, Host, Hosted, Resumed, Setup};
use portable_pty::CommandBuilder;

/// Set in the process that fails: the file that its screen has been seen through.
const FAILS: &str = "OPENCHAT_TESTS_SCREEN_FAILS";
const FAULT: &str = "a fault on the thread of the screen";

struct Nobody;

impl Host for Nobody {
    fn start(&mut self) -> Pin<Box<dyn Future<Output = Result<Hosted, ClientError>> + Send + '_>> {
        Box::pin(std::future::pending())
    }

    fn resume(
        &mut self,
        _: ServerFingerprint,
    ) -> Pin<Box<dyn Future<Output = Result<Option<Resumed>, ClientError>> + Send + '_>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn last_word(&self) -> Option<&'static str> {
        None
    }
}

/// The screen, until the file is there; then a panic.
fn fail(file: &std::path::Path) {
    let setup = Setup {
        folder: file.with_extension("profile"),
        profile: "alice".to_owned(),
        door: Door::FirstRun,
        host: Box::new(Nobody),
        room: None,
        settings: Settings::default(),
    };
    let fault = async {
        while !file.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{FAULT}");
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (shown, ()) = tokio::join!(openchat_tui::run(setup), fault);
        shown.expect("the screen is shown");
    });
}

#[test]
fn a_panic_gives_the_terminal_back_before_its_words() {
    if let Some(file) = std::env::var_os(FAILS) {
        return fail(file.as_ref());
    }
    let home = Openchat::new();
    let file = home.folder().join("fail");
    let mut command = CommandBuilder::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "panic::a_panic_gives_the_terminal_back_before_its_words", "--nocapture"]);
    let terminal = Terminal::run(&home, command, (24, 80), &[(FAILS, file.to_str().expect("UTF-8"))]);
    terminal.sees("Who are you here?");
    assert!(terminal.is_raw());
    std::fs::write(&file, "").expect("a file in the temporary folder");
    terminal.is_given_back();
    assert!(!terminal.end().success());
    // On the screen of the shell, not on the one that went away with the program.
    terminal.sees(FAULT);
    terminal.sees_no("Who are you here?");
}
