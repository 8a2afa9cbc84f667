use super::config::clone_config;
use super::guard::guard;
use super::{endpoint, extensible, tsc_config, tsc_endpoint, tsc_status};
use crate::supply::Forecast;

/// In a field of tsc_forecast: not known yet, or never.
pub const TSC_UNKNOWN: u32 = u32::MAX;

/// What attempts of a config to an endpoint may expect, for a driver that does its own planning.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tsc_forecast {
    /// Sessions in the cache now.
    pub available: u64,
    /// Attempts that wait for a session (tsc_attempt_wait, _wait_callback, _wait_fd).
    pub waiting: u64,
    /// Attempts that are in a full handshake, or have done one and may still receive sessions.
    pub full_in_flight: u64,
    /// Attempts that offered a session, and may still receive new ones.
    pub resumed_in_flight: u64,
    /// Sessions that the last full handshake yielded, or TSC_UNKNOWN.
    pub tickets_full: u32,
    /// Sessions that the last resumed handshake yielded, or TSC_UNKNOWN.
    pub tickets_resumed: u32,
    /// Milliseconds from the start of a full handshake to its first session.
    pub full_ms: u32,
    /// The same for a resumed one.
    pub resumed_ms: u32,
    /// Milliseconds that an attempt which asks now would wait for a session. 0: there is one, or a first
    /// handshake of unknown duration is in progress. TSC_UNKNOWN: the attempt would do a full handshake.
    pub wait_ms: u32,
    /// 1 if nothing is offered to the endpoint at present (tsc_options.failure_budget).
    pub breaker_open: u32,
}

fn or_unknown<T: TryInto<u32>>(value: Option<T>) -> u32 {
    value
        .and_then(|value| value.try_into().ok())
        .unwrap_or(TSC_UNKNOWN)
}

impl From<Forecast> for tsc_forecast {
    fn from(forecast: Forecast) -> Self {
        Self {
            available: forecast.available,
            waiting: forecast.waiting,
            full_in_flight: forecast.full_in_flight,
            resumed_in_flight: forecast.resumed_in_flight,
            tickets_full: or_unknown(forecast.tickets_full),
            tickets_resumed: or_unknown(forecast.tickets_resumed),
            full_ms: or_unknown(Some(forecast.full_ms)),
            resumed_ms: or_unknown(Some(forecast.resumed_ms)),
            wait_ms: or_unknown(forecast.wait_ms),
            breaker_open: forecast.breaker_open.into(),
        }
    }
}

/// Says what attempts of this config to this endpoint may expect.
///
/// endpoint, size: size is sizeof(tsc_endpoint).
/// out, out_size: receives the forecast; out_size is sizeof(tsc_forecast).
/// Returns TSC_OK, also for a closed cache; TSC_INVALID_ARGUMENT if endpoint has no host, or its port is over
/// 65535; TSC_TOO_LARGE if a name is over TSC_MAX_NAME.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_config_forecast(
    config: *const tsc_config,
    endpoint: *const tsc_endpoint,
    size: usize,
    out: *mut tsc_forecast,
    out_size: usize,
) -> tsc_status {
    guard(|| {
        let config = clone_config(config)?;
        let endpoint = endpoint::read(endpoint, size)?;
        extensible::check_output(out, out_size)?;
        let forecast = config.forecast(&endpoint)?;
        extensible::write(out, out_size, &forecast.into());
        Ok(())
    })
}
