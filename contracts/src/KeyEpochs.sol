// SPDX-License-Identifier: MIT
// Copyright The dstack for Linux authors
pragma solidity 0.8.24;

import {Timelock} from "./Timelock.sol";

/// Which epochs of keys are handed out: the current one; the one before it, for
/// an overlap that was announced; and none that was revoked.
///
/// A new epoch may start without delay, as it gives nobody what the old one did
/// not.  What takes away is bounded: the old one lives for the delay at least,
/// unless it is revoked.
abstract contract KeyEpochs is Timelock {
    /// Read by storage proofs, as TimelockStorage.
    struct KeyEpochsStorage {
        // Slot 0.
        uint64 current;
        uint64 startedAt;
        uint64 previousRetiresAt;
        uint64 firstLive;
        // Slot 1, which counts if its epoch is greater than the current one.
        uint64 next;
        uint64 nextStartsAt;
        uint64 currentRetiresAt;
    }

    bytes32 private constant KEYS = keccak256(
        abi.encode(uint256(keccak256("dstack.linux.keys")) - 1)
    ) & ~bytes32(uint256(0xff));

    event KeyEpochAnnounced(
        uint64 indexed epoch, uint64 startsAt, uint64 previousRetiresAt
    );
    event KeyEpochRevoked(uint64 indexed epoch, address indexed actor);

    /// The current epoch, until when the one before it lives, and the first
    /// that is not revoked.
    function keyEpochs()
        public
        view
        returns (uint64 current, uint64 previousRetiresAt, uint64 firstLive)
    {
        KeyEpochsStorage storage s = _keys();
        firstLive = s.firstLive;
        if (s.next > s.current && _due(s.nextStartsAt))
            return (s.next, s.currentRetiresAt, firstLive);
        return (s.current, s.previousRetiresAt, firstLive);
    }

    function announcedKeyEpoch()
        external
        view
        returns (uint64 epoch, uint64 startsAt, uint64 previousRetiresAt)
    {
        KeyEpochsStorage storage s = _keys();
        return (s.next, s.nextStartsAt, s.currentRetiresAt);
    }

    function isKeyEpochLive(uint64 epoch) external view returns (bool) {
        (uint64 current, uint64 retiresAt, uint64 firstLive) = keyEpochs();
        if (epoch < firstLive || epoch > current) return false;
        return epoch == current
            || (epoch + 1 == current && block.timestamp < retiresAt);
    }

    /// Announces the epoch after the current one, or that one's other times as
    /// long as it has not started.
    function announceKeyEpoch(uint64 startsAt, uint64 previousRetiresAt)
        external
        onlyOwner
    {
        KeyEpochsStorage storage s = _keys();
        _settleKeys(s);
        require(startsAt >= block.timestamp, "Key epoch starts in the past");
        require(startsAt <= _now() + MAX_DELAY, "Key epoch starts too late");
        require(
            previousRetiresAt >= startsAt
                && previousRetiresAt >= _now() + delay(),
            "Key epoch retires too early"
        );
        // The one that retires now keeps the overlap it was promised.
        require(
            startsAt >= s.previousRetiresAt || s.current <= s.firstLive,
            "Previous key epoch still lives"
        );
        s.next = s.current + 1;
        s.nextStartsAt = startsAt;
        s.currentRetiresAt = previousRetiresAt;
        emit KeyEpochAnnounced(s.next, startsAt, previousRetiresAt);
        _emitPolicy("key-epoch", bytes32(uint256(s.next)), true);
    }

    /// Ends this epoch and all before it, at once and for good.
    function revokeKeyEpoch(uint64 epoch) external onlyOwnerOrGuardian {
        KeyEpochsStorage storage s = _keys();
        _settleKeys(s);
        require(epoch <= s.current, "Key epoch has not started");
        require(epoch >= s.firstLive, "Key epoch is revoked");
        s.firstLive = epoch + 1;
        emit KeyEpochRevoked(epoch, msg.sender);
        _emitPolicy("key-epoch", bytes32(uint256(epoch)), false);
    }

    /// Makes the next epoch the current one if its time has come.
    function _settleKeys(KeyEpochsStorage storage s) private {
        if (s.next <= s.current || !_due(s.nextStartsAt)) return;
        s.current = s.next;
        s.startedAt = s.nextStartsAt;
        s.previousRetiresAt = s.currentRetiresAt;
    }

    function _keys() private pure returns (KeyEpochsStorage storage s) {
        bytes32 slot = KEYS;
        assembly {
            s.slot := slot
        }
    }
}
