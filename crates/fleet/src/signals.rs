//! What reaches all agents at once: the end, a cut of the network, a wave of departures.

use std::pin::pin;

use tokio::sync::watch;

use crate::options::draw;

/// How an agent leaves in a wave.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Parting {
    /// In good order, as at the restart of its daemon.
    #[default]
    Goodbye,
    /// Without a word, as when its process is killed.
    Abrupt,
}

/// What the agents are to do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Order {
    /// The network is cut: nothing is read, sent or accepted.
    pub(crate) cut: bool,
    /// Counts the waves.
    pub(crate) wave: u64,
    /// Who of a hundred leaves in the last wave.
    pub(crate) percent: u8,
    pub(crate) parting: Parting,
}

/// The receiving side, one for each task.
#[derive(Clone, Debug)]
pub(crate) struct Signals {
    stop: watch::Receiver<bool>,
    order: watch::Receiver<Order>,
}

impl Signals {
    pub(crate) fn new(stop: watch::Receiver<bool>, order: watch::Receiver<Order>) -> Self {
        Self { stop, order }
    }

    /// The same orders, but another end.
    pub(crate) fn with_stop(&self, stop: watch::Receiver<bool>) -> Self {
        Self {
            stop,
            order: self.order.clone(),
        }
    }

    /// Waits for the end.
    pub(crate) async fn stopped(&mut self) {
        // An error means that the fleet is gone already.
        let _ = self.stop.wait_for(|stopping| *stopping).await;
    }

    /// Waits for a wave that takes this agent along.
    pub(crate) async fn told_to_leave(&mut self, name: &str) -> Parting {
        let mut seen = self.order.borrow_and_update().wave;
        loop {
            if self.order.changed().await.is_err() {
                // No wave will ever come.
                return std::future::pending().await;
            }
            let order = *self.order.borrow_and_update();
            if order.wave == seen {
                continue;
            }
            seen = order.wave;
            if draw(&[name, &seen.to_string()]) < u16::from(order.percent) {
                return order.parting;
            }
        }
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.order.borrow().cut
    }

    /// Waits until the network is cut.
    pub(crate) async fn until_cut(&mut self) {
        if self.order.wait_for(|order| order.cut).await.is_err() {
            std::future::pending().await
        }
    }

    /// Waits until the network is there (again).
    pub(crate) async fn until_up(&mut self) {
        let _ = self.order.wait_for(|order| !order.cut).await;
    }

    /// Does the work, but stands still while the network is cut.
    pub(crate) async fn while_up<F: Future>(&self, work: F) -> F::Output {
        let mut signals = self.clone();
        let mut work = pin!(work);
        loop {
            signals.until_up().await;
            tokio::select! {
                output = &mut work => return output,
                () = signals.until_cut() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn signals() -> (watch::Sender<bool>, watch::Sender<Order>, Signals) {
        let (stop, stopping) = watch::channel(false);
        let (order, orders) = watch::channel(Order::default());
        (stop, order, Signals::new(stopping, orders))
    }

    #[tokio::test]
    async fn a_wave_takes_its_share_along() {
        let (_stop, order, signals) = signals();
        let gone = Arc::new(AtomicU64::new(0));
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..1_000 {
            let (mut signals, gone) = (signals.clone(), gone.clone());
            tasks.spawn(async move {
                let parting = signals.told_to_leave(&format!("agent-{number:04}")).await;
                assert_eq!(parting, Parting::Abrupt);
                gone.fetch_add(1, Ordering::Relaxed);
            });
        }
        while order.receiver_count() < 1_001 {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        order.send_modify(|order| {
            order.wave = 1;
            order.percent = 30;
            order.parting = Parting::Abrupt;
        });
        while gone.load(Ordering::Relaxed) < 200 {
            tokio::task::yield_now().await;
        }
        // Another order is no wave.
        order.send_modify(|order| order.cut = true);
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        let gone = gone.load(Ordering::Relaxed);
        assert!((250..350).contains(&gone), "{gone}");
    }

    #[tokio::test]
    async fn work_stands_still_while_the_network_is_cut() {
        let (_stop, order, signals) = signals();
        let (give, mut take) = tokio::sync::mpsc::channel::<u8>(4);
        order.send_modify(|order| order.cut = true);
        let work = tokio::spawn(async move {
            signals
                .while_up(async { (take.recv().await, take.recv().await) })
                .await
        });
        give.send(1).await.unwrap();
        give.send(2).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        assert_eq!(give.capacity(), 2, "nothing was taken");
        order.send_modify(|order| order.cut = false);
        assert_eq!(work.await.unwrap(), (Some(1), Some(2)));
    }
}
