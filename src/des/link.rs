//! A link that carries KV: between the pools of a disaggregated cluster, or between device and host.

use crate::scenario::{Contention, Link, Time};

/// A link in use. Its coefficients are rounded once to attoseconds.
#[derive(Debug, Clone)]
pub struct KvLink {
    latency: i128,
    attos_per_token: i128,
    contention: Contention,
    free: i128,
    busy: i128,
}

impl KvLink {
    /// The link of a scenario.
    #[must_use]
    pub fn new(link: &Link) -> Self {
        Self::with(link.latency_s, 1.0 / link.tokens_per_s, link.contention)
    }

    /// The link to the host: one transfer at a time, in order.
    #[must_use]
    pub fn to_host(latency_s: f64, s_per_token: f64) -> Self {
        Self::with(latency_s, s_per_token, Contention::Fifo)
    }

    fn with(latency_s: f64, s_per_token: f64, contention: Contention) -> Self {
        Self {
            latency: Time::from_decimal(latency_s).0,
            attos_per_token: Time::from_decimal(s_per_token).0,
            contention,
            free: 0,
            busy: 0,
        }
    }

    /// Hands over `tokens` at `now`, and says when they have arrived. Calls come in
    /// order of time. Under `fifo` a transfer waits for all before it and holds the link for its latency and its tokens.
    pub fn send(&mut self, now: Time, tokens: i64) -> Time {
        let duration = self.latency.saturating_add(self.attos_per_token.saturating_mul(i128::from(tokens)));
        let start = match self.contention {
            Contention::Fifo => now.0.max(self.free),
            Contention::None => now.0,
        };
        let end = start.saturating_add(duration).min(Time::NEVER.0);
        self.free = self.free.max(end);
        self.busy = self.busy.saturating_add(duration);
        Time(end)
    }

    /// Σ durations of the transfers so far, without their waiting.
    #[must_use]
    pub fn busy(&self) -> Time {
        Time(self.busy)
    }

    /// When the last of the transfers so far has ended.
    #[must_use]
    pub fn free_at(&self) -> Time {
        Time(self.free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(value: f64) -> Time {
        Time::from_decimal(value)
    }

    fn link(contention: Contention) -> KvLink {
        KvLink::new(&Link { tokens_per_s: 2000.0, latency_s: 0.01, contention })
    }

    #[test]
    fn transfers_wait_for_each_other() {
        let mut link = link(Contention::Fifo);
        assert_eq!(link.send(seconds(1.0), 100), seconds(1.06));
        assert_eq!(link.send(seconds(1.02), 1), seconds(1.0705));
        assert_eq!(link.send(seconds(5.0), 0), seconds(5.01));
        assert_eq!((link.busy(), link.free_at()), (seconds(0.0805), seconds(5.01)));
    }

    #[test]
    fn without_contention_they_do_not() {
        let mut link = link(Contention::None);
        assert_eq!(link.send(seconds(1.0), 100), seconds(1.06));
        assert_eq!(link.send(seconds(1.02), 1), seconds(1.0305));
        assert_eq!(link.free_at(), seconds(1.06));
    }

    #[test]
    fn the_host_link_counts_seconds_per_token() {
        let mut link = KvLink::to_host(0.0, 1e-6);
        assert_eq!(link.send(Time::ZERO, 500), seconds(0.0005));
        assert_eq!(link.send(Time::ZERO, 500), seconds(0.001));
        let mut free = KvLink::to_host(0.0, 0.0);
        assert_eq!(free.send(seconds(3.0), 10_000), seconds(3.0));
    }

    #[test]
    fn a_link_that_is_almost_shut_delivers_never() {
        let mut link = KvLink::new(&Link { tokens_per_s: 1e-300, latency_s: 0.0, contention: Contention::Fifo });
        assert_eq!(link.send(seconds(1.0), 1_000_000), Time::NEVER);
        assert_eq!(link.send(seconds(2.0), 1_000_000), Time::NEVER);
    }

    /// D/D/1 at a load of 1: utilisation is the share of time in transfers, and nobody waits longer than the one before.
    #[test]
    fn a_full_link_is_always_busy() {
        let mut link = KvLink::new(&Link { tokens_per_s: 9000.0, latency_s: 0.0, contention: Contention::Fifo });
        let sent = (0..100).map(|turn| link.send(Time(turn), 900)).last();
        assert_eq!(sent, Some(link.busy()));
        assert!((link.busy().seconds() - 10.0).abs() < 1e-12);
    }
}
