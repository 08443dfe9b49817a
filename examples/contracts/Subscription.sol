// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// A subscription that is metered: the subscriber pays in ahead, the provider takes what was used.
///
/// Used is what the subscriber itself says (`report`), and a fee for every second since it subscribed. Whoever of the two
/// wants to end it does, and what was not used goes back.
contract Subscription {
    address public immutable subscriber;
    address public immutable provider;
    uint256 public immutable pricePerUnit;
    uint256 public immutable pricePerSecond;

    /// Units used, cumulative: an older report can't undo a newer one.
    uint256 public used;
    uint256 public taken;
    uint256 public since;

    constructor(address subscriber_, address provider_, uint256 pricePerUnit_, uint256 pricePerSecond_) {
        subscriber = subscriber_;
        provider = provider_;
        pricePerUnit = pricePerUnit_;
        pricePerSecond = pricePerSecond_;
    }

    function pay() external payable {
        require(msg.sender == subscriber, "not the subscriber");
        if (since == 0) since = block.timestamp;
    }

    function report(uint256 units) external {
        require(msg.sender == subscriber, "not the subscriber");
        require(units >= used, "less than before");
        used = units;
    }

    /// What the provider may have in all, and no more than was paid in.
    function due() public view returns (uint256) {
        uint256 run = since == 0 ? 0 : block.timestamp - since;
        uint256 cost = used * pricePerUnit + run * pricePerSecond;
        uint256 paid = taken + address(this).balance;
        return cost < paid ? cost : paid;
    }

    function take() public {
        require(msg.sender == provider || msg.sender == subscriber, "not a party");
        uint256 amount = due() - taken;
        taken += amount;
        send(provider, amount);
    }

    function end() external {
        take();
        (since, used, taken) = (0, 0, 0);
        send(subscriber, address(this).balance);
    }

    function send(address to, uint256 amount) private {
        (bool sent, ) = to.call{value: amount}("");
        require(sent, "could not send");
    }
}
