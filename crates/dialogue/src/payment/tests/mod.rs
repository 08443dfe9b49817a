//! A payer and a payee under virtual time, with disks that can lose what is not yet durable.

mod adversary;
mod codec;
mod crash;
mod export;
mod gross;
mod lanes;
mod moments;
mod net;
mod pair;
mod settle;
mod wish;
