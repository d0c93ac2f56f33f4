//! Between a sink and its HAProxy's socket: every line that is sent is written down.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

type Lines = Arc<Mutex<Vec<String>>>;
type Before = Arc<Mutex<Option<Box<dyn FnMut(&str) + Send>>>>;

pub(crate) struct Tap {
    pub(crate) path: PathBuf,
    lines: Lines,
    before: Before,
}

impl Tap {
    pub(crate) fn on(socket: &Path) -> Tap {
        let (path, socket) = (socket.with_extension("tap"), socket.to_owned());
        let listener = UnixListener::bind(&path).unwrap();
        let (lines, before) = (Lines::default(), Before::default());
        let tap = Tap { path, lines: lines.clone(), before: before.clone() };
        // It ends with the process; the folder of its socket is gone before.
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // HAProxy is not there: who asks is told by the end of the connection.
                let _ = forward(&client, &socket, &lines, &before);
            }
        });
        tap
    }

    /// Everything that was sent since the last time, but for the looks.
    pub(crate) fn commands(&self) -> Vec<String> {
        let lines = std::mem::take(&mut *self.lines.lock().unwrap());
        lines.into_iter().filter(|line| !line.starts_with("show ")).collect()
    }

    /// Called with each line before it is sent on.
    pub(crate) fn before(&self, hook: impl FnMut(&str) + Send + 'static) {
        *self.before.lock().unwrap() = Some(Box::new(hook));
    }
}

fn forward(client: &UnixStream, socket: &Path, lines: &Lines, before: &Before) -> io::Result<()> {
    let mut line = String::new();
    BufReader::new(client).read_line(&mut line)?;
    if let Some(hook) = before.lock().unwrap().as_mut() {
        hook(line.trim_end());
    }
    lines.lock().unwrap().push(line.trim_end().to_owned());
    let mut haproxy = UnixStream::connect(socket)?;
    haproxy.write_all(line.as_bytes())?;
    io::copy(&mut haproxy, &mut &*client)?;
    Ok(())
}
