// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// What a channel has of one asset beside the network's own coin: who has how much of it, as ERC-20 has it.
///
/// There is a purse for each asset of a channel from its opening on, at an address that follows from the asset, with both parties'
/// deposits in it. Nothing creates it: it is part of the channel's first state, as what follows from its terms. So there is no
/// constructor, and nothing here makes any of the asset, or destroys it. When the channel ends the ledger reads both parties'
/// balances here, in the first slot's mapping.
contract Purse {
    mapping(address owner => uint256) public balanceOf;
    mapping(address owner => mapping(address spender => uint256)) public allowance;
    uint256 public totalSupply;

    /// As all amounts: in units of 10^-18.
    uint8 public constant decimals = 18;

    event Transfer(address indexed from, address indexed to, uint256 amount);
    event Approval(address indexed owner, address indexed spender, uint256 amount);

    error TooLittle();
    error NotApproved();
    error Nobody();

    function transfer(address to, uint256 amount) external returns (bool) {
        move(msg.sender, to, amount);
        return true;
    }

    /// Lets `spender` take so much in all of what the caller has; the largest number there is for as much as it likes.
    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        emit Approval(msg.sender, spender, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        uint256 allowed = allowance[from][msg.sender];
        if (allowed < amount) revert NotApproved();
        if (allowed != type(uint256).max) allowance[from][msg.sender] = allowed - amount;
        move(from, to, amount);
        return true;
    }

    function move(address from, address to, uint256 amount) private {
        if (to == address(0)) revert Nobody();
        if (balanceOf[from] < amount) revert TooLittle();
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        emit Transfer(from, to, amount);
    }
}
