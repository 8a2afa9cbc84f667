//! The program against servers, which the tests start.

mod known_servers;
mod page;
mod readme;
mod real_servers;
mod servers;
