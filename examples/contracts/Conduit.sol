// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// Conditional payments between the two parties of a channel: each is a lock that its payee opens with the preimage of a hash,
/// and that goes back to its payer after a time, or as soon as the payee lets go of it.
///
/// A lock has an id of its own, so that two payments of one hash and amount are two. When it is opened the preimage stays here
/// until the payer has seen it: then whoever follows the state of the channel can't miss it, however it comes to be there.
///
/// From its time on no lock is opened: so whoever has made it knows what has become of it, and in time for the one before.
contract Conduit {
    struct Lock {
        /// The SHA-256 digest that the preimage has; once the lock is open, the preimage.
        bytes32 secret;
        address payer;
        uint64 until;
        bool isOpen;
        address payee;
        uint96 amount;
    }

    mapping(bytes32 id => Lock) private locks;

    error Taken();
    error Nobody();
    error Nothing();
    error TooMuch();

    /// The caller locks what it sends: for `payee` if it shows the preimage of `hash` before `until`, in seconds since 1970, and
    /// for itself again from then on. Locks of nothing would cost nobody anything, and each makes what shows the others longer.
    function lock(bytes32 id, bytes32 hash, uint64 until, address payee) external payable {
        if (locks[id].payer != address(0)) revert Taken();
        if (payee == address(0)) revert Nobody();
        if (msg.value == 0) revert Nothing();
        if (msg.value > type(uint96).max) revert TooMuch();
        locks[id] = Lock(hash, msg.sender, until, false, payee, uint96(msg.value));
    }

    /// Does what the caller may do with each of these locks, and passes over those with which it may do nothing. The payee opens
    /// one with its preimage before its time, and lets go of one with zero; the payer takes one back whose time has come, and
    /// clears away one that is open.
    function resolve(bytes32[] calldata ids, bytes32[] calldata preimages) external {
        for (uint256 i = 0; i < ids.length; i++) {
            Lock memory found = locks[ids[i]];
            if (found.isOpen) {
                if (msg.sender == found.payer) delete locks[ids[i]];
            } else if (msg.sender == found.payee && preimages[i] != 0) {
                if (block.timestamp >= found.until) continue;
                if (sha256(abi.encodePacked(preimages[i])) != found.secret) continue;
                locks[ids[i]] = Lock(preimages[i], found.payer, found.until, true, address(0), 0);
                pay(found.payee, found.amount);
            } else if (msg.sender == found.payee || (msg.sender == found.payer && block.timestamp >= found.until)) {
                delete locks[ids[i]];
                pay(found.payer, found.amount);
            }
        }
    }

    function pay(address to, uint256 amount) private {
        (bool isPaid, ) = to.call{value: amount}("");
        require(isPaid);
    }
}
