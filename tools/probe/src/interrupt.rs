//! Ctrl-C, which ends at once what is being waited for.

use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::time::Duration;

#[derive(Debug, Default)]
pub struct Interrupt {
    state: Mutex<State>,
    came: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_set: bool,
    streams: Vec<Weak<TcpStream>>,
}

impl Interrupt {
    /// The one that Ctrl-C sets; a second Ctrl-C ends the program.
    pub fn by_ctrl_c() -> Result<Arc<Self>, ctrlc::Error> {
        let interrupt = Arc::new(Self::default());
        let handled = interrupt.clone();
        ctrlc::set_handler(move || {
            if handled.is_set() {
                std::process::exit(130);
            }
            handled.set();
        })?;
        Ok(interrupt)
    }

    pub fn set(&self) {
        let mut state = self.state();
        state.is_set = true;
        for stream in state
            .streams
            .drain(..)
            .filter_map(|stream| stream.upgrade())
        {
            // Whoever reads from it, or waits for it to connect, is told.
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.came.notify_all();
    }

    pub fn is_set(&self) -> bool {
        self.state().is_set
    }

    /// Has it end this stream, too.
    pub fn ends(&self, stream: &Arc<TcpStream>) {
        let mut state = self.state();
        if state.is_set {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
        state.streams.retain(|stream| stream.strong_count() > 0);
        state.streams.push(Arc::downgrade(stream));
    }

    /// Waits so long, or until it comes.
    pub fn wait(&self, most: Duration) {
        let waited = self
            .came
            .wait_timeout_while(self.state(), most, |state| !state.is_set);
        drop(waited.expect("nobody panics with it"));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }
}
