//! The registrar: a thread with a runtime of its own, started only when there is a registry.
//!
//! ```text
//! main loop ── Order (channel) ──► address -> ready -> registered -> draining -> left
//!           ◄── News (pipe, one byte each; its end means the thread is done) ──┘
//! ```
//!
//! The main loop waits in poll(2), so news come through a pipe.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::register;
use crate::settings::Plan;
use crate::supervise::News;

/// What the main loop wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Drain,
    Leave,
}

/// The main loop's end of the thread.
pub(crate) struct RegistrarThread {
    orders: UnboundedSender<Order>,
    news: PipeReader,
}

impl RegistrarThread {
    pub(crate) fn start(plan: Plan) -> io::Result<Self> {
        let (orders, received) = unbounded_channel();
        let (news, writer) = io::pipe()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("registrar".into()).spawn(move || {
            // The writer goes with the future, so the main loop hears of any end, a panic's too.
            runtime.block_on(register::keep(plan, received, Messenger(writer)));
        })?;
        Ok(Self { orders, news })
    }

    /// Asks for the state `draining`; the answer is [`News::Drained`].
    pub(crate) fn drain(&self) {
        self.order(Order::Drain);
    }

    /// Asks for the end; the answer is [`News::Gone`].
    pub(crate) fn leave(&self) {
        self.order(Order::Leave);
    }

    /// What has been told since the last call. Blocks unless the descriptor is readable.
    pub(crate) fn news(&mut self) -> Vec<News> {
        let mut bytes = [0; 16];
        match self.news.read(&mut bytes) {
            Ok(0) | Err(_) => vec![News::Gone],
            Ok(count) => bytes[..count].iter().map(|byte| decode(*byte)).collect(),
        }
    }

    fn order(&self, order: Order) {
        // A thread that has ended is past every order; its end is told by the pipe.
        let _ = self.orders.send(order);
    }
}

impl AsFd for RegistrarThread {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.news.as_fd()
    }
}

/// The registrar's end of the pipe.
pub(crate) struct Messenger(PipeWriter);

impl Messenger {
    pub(crate) fn tell(&mut self, news: News) {
        // A main loop that does not listen any more is about to exit.
        let _ = self.0.write_all(&[encode(news)]);
    }
}

fn encode(news: News) -> u8 {
    match news {
        News::Registered => b'r',
        News::Unregistered => b'u',
        News::Drained => b'd',
        News::Gone => b'g',
    }
}

fn decode(byte: u8) -> News {
    match byte {
        b'r' => News::Registered,
        b'u' => News::Unregistered,
        b'd' => News::Drained,
        _ => News::Gone,
    }
}
