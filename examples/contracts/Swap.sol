// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

interface Asset {
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}

/// Swaps one asset of a channel for another, at once or not at all. An asset is named by its purse's address, and the channel's own
/// coin by zero.
///
/// Whoever offers gives what it offers into this contract's keeping, so an offer can be taken whatever its maker does meanwhile, by
/// force too where it has fallen silent. An offer is never changed, and its number never given again: who takes it gets what
/// it has seen.
contract Swap {
    struct Offer {
        address maker;
        /// In seconds since 1970; from two minutes later on nobody takes it. A call may be shown a time so old, by force and in an update.
        uint64 until;
        address given;
        address wanted;
        uint256 amountGiven;
        uint256 amountWanted;
    }

    uint256 public count;
    mapping(uint256 number => Offer) public offers;

    error NoOffer();
    error TooLate();
    error NotYours();
    error NotPaid();

    /// Takes what is offered: approved before, or sent along. Gives the offer's number.
    function offer(address given, uint256 amountGiven, address wanted, uint256 amountWanted, uint64 until)
        external
        payable
        returns (uint256 number)
    {
        number = ++count;
        offers[number] = Offer(msg.sender, until, given, wanted, amountGiven, amountWanted);
        take(given, address(this), amountGiven);
    }

    /// Pays the maker what it wants, and the caller what it gave.
    function accept(uint256 number) external payable {
        Offer memory found = remove(number);
        if (block.timestamp >= found.until) revert TooLate();
        take(found.wanted, found.maker, found.amountWanted);
        pay(found.given, msg.sender, found.amountGiven);
    }

    /// Gives the maker back what it offered.
    function cancel(uint256 number) external {
        Offer memory found = remove(number);
        if (found.maker != msg.sender) revert NotYours();
        pay(found.given, msg.sender, found.amountGiven);
    }

    /// An offer is gone before anything is paid: whoever is paid can't have it a second time.
    function remove(uint256 number) private returns (Offer memory found) {
        found = offers[number];
        if (found.maker == address(0)) revert NoOffer();
        delete offers[number];
    }

    function take(address asset, address to, uint256 amount) private {
        if (msg.value != (asset == address(0) ? amount : 0)) revert NotPaid();
        if (asset != address(0)) {
            if (!Asset(asset).transferFrom(msg.sender, to, amount)) revert NotPaid();
        } else if (to != address(this)) {
            pay(asset, to, amount);
        }
    }

    function pay(address asset, address to, uint256 amount) private {
        if (asset != address(0)) {
            if (!Asset(asset).transfer(to, amount)) revert NotPaid();
        } else {
            (bool isPaid, ) = to.call{value: amount}("");
            if (!isPaid) revert NotPaid();
        }
    }
}
