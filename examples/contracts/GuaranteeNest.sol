// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Guarantee} from "./Guarantee.sol";

/// Puts the contract of guarantees into a channel, at an address that follows from this one's and from all that creates it: so
/// there can be no guarantees in it that nobody has paid for, as `ConduitNest` explains.
contract GuaranteeNest {
    constructor() {
        new Guarantee{salt: 0}();
    }
}
