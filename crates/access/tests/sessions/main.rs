//! Sessions and their payment together: a client and a provider, each with its disk, under virtual time.

#[cfg(test)]
mod adversary;
#[cfg(test)]
mod alone;
#[cfg(test)]
mod billing;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod haggling;
mod hostile;
#[cfg(test)]
mod judging;
#[cfg(test)]
mod node;
#[cfg(test)]
mod pair;
#[cfg(test)]
mod seats;
#[cfg(test)]
mod time;
#[cfg(test)]
mod window;
