// SPDX-License-Identifier: MIT
// Copyright The dstack for Linux authors
pragma solidity 0.8.24;

import {IAppAuthBasicManagement} from "../src/IAppAuth.sol";

/// An owner that approves many hashes at once.
contract Crowd {
    function approve(IAppAuthBasicManagement app, uint256 first, uint256 count)
        external
    {
        for (uint256 i = first; i < first + count; i++)
            app.addComposeHash(bytes32(i));
    }
}
