// SPDX-License-Identifier: MIT
// Copyright The dstack for Linux authors
pragma solidity 0.8.24;

import {ERC165Upgradeable} from
    "@openzeppelin/contracts-upgradeable/utils/introspection/ERC165Upgradeable.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {ExecPolicy} from "./ExecPolicy.sol";
import {IAppAuth, IAppAuthBasicManagement} from "./IAppAuth.sol";
import {KeyEpochs} from "./KeyEpochs.sol";
import {Timelock} from "./Timelock.sol";

/// One application: its address is the application's id.
contract DstackApp is
    ERC165Upgradeable,
    ExecPolicy,
    KeyEpochs,
    IAppAuth,
    IAppAuthBasicManagement
{
    // Upstream's slots 0 to 3.
    mapping(bytes32 => bool) public allowedComposeHashes;
    bool private _upgradesDisabled;
    bool public allowAnyDevice;
    mapping(bytes32 => bool) public allowedDeviceIds;
    bool public requireTcbUpToDate;
    // Upstream's room to grow.
    uint256[49] private __gap;

    event UpgradesDisabled();
    event AllowAnyDeviceSet(bool allowAny);
    event RequireTcbUpToDateSet(bool requireUpToDate);

    /// Only proxies are initialized.
    constructor() {
        _disableInitializers();
    }

    function initialize(
        address initialOwner,
        bool disableUpgrades_,
        bool allowAnyDevice_,
        bytes32 initialDeviceId,
        bytes32 initialComposeHash
    ) external initializer {
        _setUp(
            initialOwner,
            disableUpgrades_,
            allowAnyDevice_,
            initialDeviceId,
            initialComposeHash
        );
    }

    function initialize(
        address initialOwner,
        bool disableUpgrades_,
        bool requireTcbUpToDate_,
        bool allowAnyDevice_,
        bytes32 initialDeviceId,
        bytes32 initialComposeHash
    ) external initializer {
        requireTcbUpToDate = requireTcbUpToDate_;
        _setUp(
            initialOwner,
            disableUpgrades_,
            allowAnyDevice_,
            initialDeviceId,
            initialComposeHash
        );
    }

    function _setUp(
        address initialOwner,
        bool disableUpgrades_,
        bool allowAnyDevice_,
        bytes32 deviceId,
        bytes32 composeHash
    ) private onlyInitializing {
        require(initialOwner != address(0), "invalid owner address");
        __Ownable_init(initialOwner);
        _upgradesDisabled = disableUpgrades_;
        allowAnyDevice = allowAnyDevice_;
        if (deviceId != bytes32(0)) _setDevice(deviceId, true);
        if (composeHash != bytes32(0)) _setComposeHash(composeHash, true);
    }

    /// Of upstream's interface.
    function version() external pure returns (uint256) {
        return 2;
    }

    /// IAppAuth without what it inherits, and IAppAuthBasicManagement.
    function supportsInterface(bytes4 id)
        public
        view
        override(ERC165Upgradeable, IERC165)
        returns (bool)
    {
        return id == type(IAppAuth).interfaceId
            || id == type(IAppAuthBasicManagement).interfaceId
            || super.supportsInterface(id);
    }

    function addComposeHash(bytes32 composeHash) external onlyOwner {
        require(composeHash != bytes32(0), "invalid compose hash");
        _setComposeHash(composeHash, true);
    }

    function removeComposeHash(bytes32 composeHash) external onlyOwner {
        _setComposeHash(composeHash, false);
    }

    function addDevice(bytes32 deviceId) external onlyOwner {
        require(deviceId != bytes32(0), "invalid device ID");
        _setDevice(deviceId, true);
    }

    function removeDevice(bytes32 deviceId) external onlyOwner {
        _setDevice(deviceId, false);
    }

    function setAllowAnyDevice(bool allow) external onlyOwner {
        allowAnyDevice = allow;
        emit AllowAnyDeviceSet(allow);
        _emitPolicy("allow-any-device", bytes32(0), allow);
    }

    function setRequireTcbUpToDate(bool required) external onlyOwner {
        requireTcbUpToDate = required;
        emit RequireTcbUpToDateSet(required);
        _emitPolicy("require-tcb-up-to-date", bytes32(0), required);
    }

    /// There is no way back.
    function disableUpgrades() external onlyOwner {
        _upgradesDisabled = true;
        emit UpgradesDisabled();
        _emitPolicy("upgrades-disabled", bytes32(0), true);
    }

    /// Upstream's answers in upstream's order, and ours behind them.
    function isAppAllowed(AppBootInfo calldata bootInfo)
        external
        view
        returns (bool isAllowed, string memory reason)
    {
        if (requireTcbUpToDate && !_isUpToDate(bootInfo.tcbStatus))
            return (false, "TCB status is not up to date");
        if (!allowedComposeHashes[bootInfo.composeHash])
            return (false, "Compose hash not allowed");
        if (!allowAnyDevice && !allowedDeviceIds[bootInfo.deviceId])
            return (false, "Device not allowed");
        reason = _refusal(bootInfo.deviceId);
        isAllowed = bytes(reason).length == 0;
    }

    function _isUpToDate(string calldata status) private pure returns (bool) {
        return keccak256(bytes(status)) == keccak256("UpToDate");
    }

    function _setComposeHash(bytes32 composeHash, bool allowed) private {
        allowedComposeHashes[composeHash] = allowed;
        if (allowed) emit ComposeHashAdded(composeHash);
        else emit ComposeHashRemoved(composeHash);
        _emitPolicy("compose-hash", composeHash, allowed);
    }

    function _setDevice(bytes32 deviceId, bool allowed) private {
        allowedDeviceIds[deviceId] = allowed;
        if (allowed) emit DeviceAdded(deviceId);
        else emit DeviceRemoved(deviceId);
        _emitPolicy("device", deviceId, allowed);
    }

    function _authorizeUpgrade(address implementation)
        internal
        override(Timelock)
        onlyOwner
    {
        require(!_upgradesDisabled, "Upgrades are permanently disabled");
        super._authorizeUpgrade(implementation);
    }
}
