//! A runtime on a thread of its own: a sink is called from inside another runtime, where none can be started.

use std::sync::mpsc;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::sink::SinkError;

/// Ends when it is dropped, whatever is still asked.
#[derive(Debug)]
pub(super) struct Thread {
    handle: Handle,
    _end: oneshot::Sender<()>,
}

impl Thread {
    pub(super) fn start() -> Result<Thread, SinkError> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(SinkError::io("no runtime for calls to AWS"))?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel();
        let run = move || {
            let _ = runtime.block_on(ended);
            // A name that is being looked up keeps nobody up.
            runtime.shutdown_background();
        };
        std::thread::Builder::new()
            .name("aws-calls".into())
            .spawn(run)
            .map_err(SinkError::io("no thread for calls to AWS"))?;
        Ok(Thread { handle, _end: end })
    }

    /// Waits for it, which has to have a deadline of its own. `None`: it panicked.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (tell, told) = mpsc::sync_channel(1);
        self.handle.spawn(async move {
            let _ = tell.send(work.await);
        });
        told.recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_waited_for_inside_another_runtime() {
        let thread = Thread::start().unwrap();
        let work = async {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            7
        };
        assert_eq!(thread.wait(work), Some(7));
        // And one that panics does not end it.
        assert_eq!(thread.wait(async { assert_eq!(1, 2) }), None);
        assert_eq!(thread.wait(async { 8 }), Some(8));
    }
}
