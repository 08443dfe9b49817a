// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// Holds what is in a virtual channel, in a channel that one of its two parties has with a hub. The party puts in its own part
/// and a fee, the hub the other party's part. How the virtual channel ends says what the party gets; the hub gets the rest,
/// which is what it owes the other party by the guarantee that it has with that.
///
/// A guarantee that the hub has accepted is paid out in two ways only: by what the ledger says became of the channel, or by a
/// certificate, which the party and the hub have both signed. Nothing of it depends on time: the parties of the virtual channel, and
/// the hub, can each have the ledger end it.
contract Guarantee {
    struct Deal {
        address party;
        /// In seconds since 1970. Accepted before, or taken back from then on.
        uint64 until;
        /// Which of the two the party is in the virtual channel.
        uint8 side;
        bool isAccepted;
        address hub;
        uint96 fee;
        uint128 own;
        uint128 others;
    }

    struct Signature {
        bytes32 r;
        bytes32 s;
        uint8 v;
    }

    /// Tells what became of a virtual channel on the ledger, as the call has brought it along; nothing where it has not.
    address private constant OUTCOMES = address(0xb1);

    mapping(bytes32 id => Deal) private deals;

    error Taken();
    error Terms();
    error NotOffered();
    error NotAccepted();
    error NotSigned();

    /// The caller offers what it sends, of which `fee` is for the hub as soon as that accepts, and asks it to put in `others`.
    function offer(bytes32 id, address hub, uint8 side, uint128 others, uint96 fee, uint64 until) external payable {
        if (deals[id].party != address(0)) revert Taken();
        if (hub == address(0) || hub == msg.sender || side > 1) revert Terms();
        if (msg.value < fee || msg.value - fee > type(uint128).max) revert Terms();
        deals[id] = Deal(msg.sender, until, side, false, hub, fee, uint128(msg.value - fee), others);
    }

    /// The hub puts in what it was asked for, and is paid for it.
    function accept(bytes32 id) external payable {
        Deal storage deal = deals[id];
        if (msg.sender != deal.hub || deal.isAccepted || block.timestamp >= deal.until) revert NotOffered();
        if (msg.value != deal.others) revert Terms();
        deal.isAccepted = true;
        pay(msg.sender, deal.fee);
    }

    /// Does what can be done with each of these, and passes over those with which nothing can. One that is accepted is paid out if the
    /// call brings along what became of its channel. One that is not goes back if the hub lets go of it, or if its time has come.
    function resolve(bytes32[] calldata ids) external {
        for (uint256 i = 0; i < ids.length; i++) {
            Deal memory deal = deals[ids[i]];
            if (deal.isAccepted) {
                (, bytes memory found) = OUTCOMES.staticcall(abi.encode(ids[i]));
                if (found.length != 64) continue;
                uint256[2] memory paid = abi.decode(found, (uint256[2]));
                end(ids[i], deal, paid[deal.side]);
            } else if (msg.sender == deal.hub || (msg.sender == deal.party && block.timestamp >= deal.until)) {
                delete deals[ids[i]];
                pay(deal.party, uint256(deal.own) + deal.fee);
            }
        }
    }

    /// Pays one out as its party and the hub have signed. `network` is that of the channel: nobody signs for one of another.
    function certified(
        bytes32 network,
        bytes32 id,
        uint256[2] calldata paid,
        Signature calldata partys,
        Signature calldata hubs
    ) external {
        Deal memory deal = deals[id];
        if (!deal.isAccepted) revert NotAccepted();
        bytes32 purpose = sha256("byway 1 signature: virtual close");
        bytes32 digest = sha256(abi.encodePacked(purpose, network, network, id, paid[0], paid[1]));
        if (ecrecover(digest, partys.v, partys.r, partys.s) != deal.party) revert NotSigned();
        if (ecrecover(digest, hubs.v, hubs.r, hubs.s) != deal.hub) revert NotSigned();
        end(id, deal, paid[deal.side]);
    }

    /// All of it is paid, whatever is asked for.
    function end(bytes32 id, Deal memory deal, uint256 partys) private {
        uint256 total = uint256(deal.own) + deal.others;
        if (partys > total) partys = total;
        delete deals[id];
        pay(deal.party, partys);
        pay(deal.hub, total - partys);
    }

    function pay(address to, uint256 amount) private {
        if (amount == 0) return;
        (bool isPaid, ) = to.call{value: amount}("");
        require(isPaid);
    }
}
