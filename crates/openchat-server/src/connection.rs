//! Frames over one stream: what arrives is cut into frames, what leaves is gathered and written at once.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use minicbor::Encode;
use openchat_protocol::frame::{self, FrameError};
use openchat_protocol::limits;
use tokio::io::{AsyncBufRead, AsyncWrite};
use tokio::time::Instant;

/// Output memory that one thread keeps for whoever of its connections writes next: so many buffers, so large at most.
const SPARE: usize = 4;
const SPARE_SIZE: usize = 256 << 10;

thread_local! {
    /// Emptied output buffers. A busy connection would else allocate and free one with each round; and memory that
    /// was just read by the one before is in the processor's cache.
    static SPARES: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// What happened on the stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Io {
    /// Bytes have arrived; there may be frames.
    Read,
    /// All output has been handed to the operating system.
    Drained,
    /// The peer will send no more.
    Closed,
}

/// One stream with its buffers. Both are empty, and take no memory, while nothing is going on.
#[derive(Debug)]
pub(crate) struct Connection<S> {
    stream: S,
    input: BytesMut,
    output: Vec<u8>,
    written: usize,
    /// The output has just begun: what others add in this round of the scheduler is to go with it.
    gathering: bool,
    last_read: Instant,
    last_write: Instant,
}

impl<S: AsyncBufRead + AsyncWrite + Unpin> Connection<S> {
    pub(crate) fn new(stream: S) -> Self {
        let now = Instant::now();
        let (input, output) = (BytesMut::new(), Vec::new());
        Self { stream, input, output, written: 0, gathering: false, last_read: now, last_write: now }
    }

    /// The next whole frame that has arrived.
    pub(crate) fn take(&mut self, limit: usize) -> Result<Option<Bytes>, FrameError> {
        let frame = frame::take(&mut self.input, limit)?;
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        Ok(frame)
    }

    /// Adds a frame to the output.
    pub(crate) fn put<T: Encode<()>>(&mut self, value: &T) -> Result<(), FrameError> {
        if self.output.is_empty() {
            self.last_write = Instant::now();
            self.gathering = true;
            if self.output.capacity() == 0 {
                self.output = SPARES.with_borrow_mut(Vec::pop).unwrap_or_default();
            }
        }
        frame::put(value, limits::FRAME, &mut self.output)
    }

    /// Makes room for about so many bytes that are put next, and no more.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.output.reserve_exact(bytes);
    }

    /// Bytes that the peer has yet to take.
    pub(crate) fn backlog(&self) -> usize {
        self.output.len() - self.written
    }

    /// Whether nothing waits to be written.
    fn is_drained(&self) -> bool {
        self.output.is_empty()
    }

    /// How long the peer has been silent.
    pub(crate) fn idle(&self) -> Duration {
        self.last_read.elapsed()
    }

    /// How long the peer has taken nothing of what waits for it.
    pub(crate) fn stalled(&self) -> Duration {
        if self.is_drained() { Duration::ZERO } else { self.last_write.elapsed() }
    }

    /// Writes what there is to write, and reads if `read`. Loses nothing when dropped.
    pub(crate) async fn next(&mut self, read: bool) -> io::Result<Io> {
        std::future::poll_fn(|cx| self.poll_next(cx, read)).await
    }

    /// Writes all output, then ends the stream. Whoever calls this limits its time.
    pub(crate) async fn close(mut self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_write(cx)).await?;
        std::future::poll_fn(|cx| Pin::new(&mut self.stream).poll_shutdown(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, read: bool) -> Poll<io::Result<Io>> {
        if std::mem::take(&mut self.gathering) {
            // The sessions that are to run before this one again may ring for it: one write takes all that along.
            cx.waker().wake_by_ref();
        } else if !self.is_drained() && self.poll_write(cx)?.is_ready() {
            return Poll::Ready(Ok(Io::Drained));
        }
        if read { self.poll_read(cx) } else { Poll::Pending }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Io>> {
        let arrived = ready!(Pin::new(&mut self.stream).poll_fill_buf(cx))?;
        let length = arrived.len();
        self.input.extend_from_slice(arrived);
        Pin::new(&mut self.stream).consume(length);
        self.last_read = Instant::now();
        Poll::Ready(Ok(if length == 0 { Io::Closed } else { Io::Read }))
    }

    /// Gives the memory of what has been written back, also while there is more to write: a peer that is always a
    /// little behind would else make it grow without end.
    fn give_back(&mut self) {
        if self.written > 0 && self.written >= self.backlog() {
            self.output.drain(..self.written);
            self.output.shrink_to_fit();
            self.written = 0;
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(waiting) = self.output.get(self.written..).filter(|waiting| !waiting.is_empty()) {
            let Poll::Ready(taken) = Pin::new(&mut self.stream).poll_write(cx, waiting) else {
                self.give_back();
                return Poll::Pending;
            };
            let taken = taken?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += taken;
            self.last_write = Instant::now();
        }
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.written = 0;
        self.spare_output();
        Poll::Ready(Ok(()))
    }

    fn spare_output(&mut self) {
        let mut output = std::mem::take(&mut self.output);
        output.clear();
        if (1..=SPARE_SIZE).contains(&output.capacity()) {
            SPARES.with_borrow_mut(|spares| {
                if spares.len() < SPARE {
                    spares.push(output);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};

    use super::*;

    fn pair(buffer: usize) -> (DuplexStream, Connection<BufReader<DuplexStream>>) {
        let (near, far) = tokio::io::duplex(buffer);
        (near, Connection::new(BufReader::new(far)))
    }

    #[tokio::test]
    async fn frames_are_gathered_and_idle_buffers_are_given_back() {
        let (mut peer, mut connection) = pair(1 << 20);
        connection.put(&"one").unwrap();
        connection.put(&"x".repeat(5000)).unwrap();
        let expected = connection.output.clone();
        assert_eq!(connection.next(true).await.unwrap(), Io::Drained);
        let mut received = vec![0; expected.len()];
        peer.read_exact(&mut received).await.unwrap();
        assert_eq!(received, expected);
        assert!(connection.is_drained() && connection.output.capacity() == 0);

        peer.write_all(&received).await.unwrap();
        drop(peer);
        while connection.next(true).await.unwrap() == Io::Read {}
        assert!(connection.take(limits::FRAME).unwrap().is_some());
        assert!(connection.take(limits::FRAME).unwrap().is_some());
        assert_eq!(connection.take(limits::FRAME), Ok(None));
        assert_eq!(connection.input.capacity(), 0);
    }

    #[tokio::test]
    async fn what_comes_in_the_same_round_goes_with_what_came_first() {
        let (mut peer, mut connection) = pair(1 << 20);
        connection.put(&"one").unwrap();
        let mut received = [0; 64];
        assert!(connection.next(true).now_or_never().is_none(), "others have their turn first");
        assert!(peer.read(&mut received).now_or_never().is_none());
        connection.put(&"two").unwrap();
        let expected = connection.output.clone();
        assert_eq!(connection.next(true).await.unwrap(), Io::Drained);
        let length = peer.read(&mut received).await.unwrap();
        assert_eq!(received[..length], expected);
    }

    #[tokio::test]
    async fn a_peer_that_is_always_a_little_behind_costs_no_memory() {
        let (mut peer, mut connection) = pair(1000);
        connection.put(&"x".repeat(5000)).unwrap();
        for _ in 0..100 {
            connection.put(&"x".repeat(30_000)).unwrap();
            let mut taken = vec![0; 30_000];
            let reading = peer.read_exact(&mut taken);
            tokio::select! {
                read = reading => drop(read.unwrap()),
                io = connection.next(false) => panic!("{io:?}, though the peer has not taken all"),
            }
            let capacity = connection.output.capacity();
            assert!(connection.backlog() > 0 && capacity < 100_000, "{capacity}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_noticed_and_reading_goes_on() {
        let (mut peer, mut connection) = pair(64);
        connection.put(&"x".repeat(500)).unwrap();
        peer.write_all(&[1]).await.unwrap();
        assert_eq!(connection.next(true).await.unwrap(), Io::Read);
        assert!(connection.next(false).now_or_never().is_none(), "the peer takes 64 bytes");
        let backlog = connection.backlog();
        assert!((1..500).contains(&backlog), "{backlog}");
        tokio::time::advance(Duration::from_secs(9)).await;
        assert!(connection.stalled() >= Duration::from_secs(9));
        let reading = tokio::spawn(async move {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).await.map(|_| all.len())
        });
        assert_eq!(connection.next(false).await.unwrap(), Io::Drained);
        assert_eq!(connection.stalled(), Duration::ZERO);
        connection.close().await.unwrap();
        assert_eq!(reading.await.unwrap().unwrap(), 507);
    }
}
