// SPDX-License-Identifier: MIT
// Copyright The dstack for Linux authors
pragma solidity 0.8.24;

import {ERC165Upgradeable} from
    "@openzeppelin/contracts-upgradeable/utils/introspection/ERC165Upgradeable.sol";
import {ERC1967Proxy} from
    "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IAppAuth} from "./IAppAuth.sol";
import {KeyEpochs} from "./KeyEpochs.sol";

/// A KMS: who may be one, on which images, and for which applications.
contract DstackKms is ERC165Upgradeable, KeyEpochs, IAppAuth {
    struct KmsInfo {
        bytes k256Pubkey;
        bytes caPubkey;
        bytes quote;
        bytes eventlog;
    }

    // Upstream's slots 0 to 9.
    KmsInfo public kmsInfo;
    string public gatewayAppId;
    mapping(address => bool) public registeredApps;
    mapping(bytes32 => bool) public kmsAllowedAggregatedMrs;
    mapping(bytes32 => bool) public kmsAllowedDeviceIds;
    mapping(bytes32 => bool) public allowedOsImages;
    address public appImplementation;
    // Upstream's room to grow.
    uint256[50] private __gap;

    event AppRegistered(address appId);
    event KmsInfoSet(bytes k256Pubkey);
    event KmsAggregatedMrAdded(bytes32 mrAggregated);
    event KmsAggregatedMrRemoved(bytes32 mrAggregated);
    event KmsDeviceAdded(bytes32 deviceId);
    event KmsDeviceRemoved(bytes32 deviceId);
    event OsImageHashAdded(bytes32 osImageHash);
    event OsImageHashRemoved(bytes32 osImageHash);
    event GatewayAppIdSet(string gatewayAppId);
    event AppImplementationSet(address implementation);
    event AppDeployedViaFactory(
        address indexed appId, address indexed deployer
    );

    /// Only proxies are initialized.
    constructor() {
        _disableInitializers();
    }

    function initialize(address initialOwner, address implementation)
        external
        initializer
    {
        __Ownable_init(initialOwner);
        if (implementation != address(0)) _setImplementation(implementation);
    }

    /// IAppAuth without what it inherits.
    function supportsInterface(bytes4 id)
        public
        view
        override(ERC165Upgradeable, IERC165)
        returns (bool)
    {
        return id == type(IAppAuth).interfaceId || super.supportsInterface(id);
    }

    function setKmsInfo(KmsInfo calldata info) external onlyOwner {
        kmsInfo = info;
        emit KmsInfoSet(info.k256Pubkey);
        _emitPolicy("kms-info", keccak256(info.k256Pubkey), true);
    }

    function setKmsQuote(bytes calldata quote) external onlyOwner {
        kmsInfo.quote = quote;
    }

    function setKmsEventlog(bytes calldata eventlog) external onlyOwner {
        kmsInfo.eventlog = eventlog;
    }

    function setGatewayAppId(string calldata appId) external onlyOwner {
        gatewayAppId = appId;
        emit GatewayAppIdSet(appId);
        _emitPolicy("gateway-app-id", keccak256(bytes(appId)), true);
    }

    function setAppImplementation(address implementation) external onlyOwner {
        require(implementation != address(0), "Invalid implementation address");
        _setImplementation(implementation);
    }

    /// Open to everybody: being registered gives nothing, as the application's
    /// own contract and the images of this one decide.
    function registerApp(address appId) public {
        require(appId != address(0), "Invalid app ID");
        registeredApps[appId] = true;
        emit AppRegistered(appId);
        _emitPolicy("registered-app", _word(appId), true);
    }

    function deployAndRegisterApp(
        address initialOwner,
        bool disableUpgrades,
        bool requireTcbUpToDate,
        bool allowAnyDevice,
        bytes32 deviceId,
        bytes32 composeHash
    ) public returns (address appId) {
        require(
            appImplementation != address(0), "DstackApp implementation not set"
        );
        require(initialOwner != address(0), "Invalid owner address");
        appId = address(
            new ERC1967Proxy(
                appImplementation,
                abi.encodeWithSignature(
                    "initialize(address,bool,bool,bool,bytes32,bytes32)",
                    initialOwner,
                    disableUpgrades,
                    requireTcbUpToDate,
                    allowAnyDevice,
                    deviceId,
                    composeHash
                )
            )
        );
        registerApp(appId);
        emit AppDeployedViaFactory(appId, msg.sender);
    }

    /// The form of older clients.
    function deployAndRegisterApp(
        address initialOwner,
        bool disableUpgrades,
        bool allowAnyDevice,
        bytes32 deviceId,
        bytes32 composeHash
    ) external returns (address appId) {
        return deployAndRegisterApp(
            initialOwner,
            disableUpgrades,
            false,
            allowAnyDevice,
            deviceId,
            composeHash
        );
    }

    function addKmsAggregatedMr(bytes32 mrAggregated) external onlyOwner {
        kmsAllowedAggregatedMrs[mrAggregated] = true;
        emit KmsAggregatedMrAdded(mrAggregated);
        _emitPolicy("kms-aggregated-mr", mrAggregated, true);
    }

    function removeKmsAggregatedMr(bytes32 mrAggregated) external onlyOwner {
        kmsAllowedAggregatedMrs[mrAggregated] = false;
        emit KmsAggregatedMrRemoved(mrAggregated);
        _emitPolicy("kms-aggregated-mr", mrAggregated, false);
    }

    function addKmsDevice(bytes32 deviceId) external onlyOwner {
        kmsAllowedDeviceIds[deviceId] = true;
        emit KmsDeviceAdded(deviceId);
        _emitPolicy("kms-device", deviceId, true);
    }

    function removeKmsDevice(bytes32 deviceId) external onlyOwner {
        kmsAllowedDeviceIds[deviceId] = false;
        emit KmsDeviceRemoved(deviceId);
        _emitPolicy("kms-device", deviceId, false);
    }

    function addOsImageHash(bytes32 osImageHash) external onlyOwner {
        allowedOsImages[osImageHash] = true;
        emit OsImageHashAdded(osImageHash);
        _emitPolicy("os-image", osImageHash, true);
    }

    function removeOsImageHash(bytes32 osImageHash) external onlyOwner {
        allowedOsImages[osImageHash] = false;
        emit OsImageHashRemoved(osImageHash);
        _emitPolicy("os-image", osImageHash, false);
    }

    /// Upstream's answers in upstream's order.
    function isKmsAllowed(AppBootInfo calldata bootInfo)
        external
        view
        returns (bool isAllowed, string memory reason)
    {
        if (keccak256(bytes(bootInfo.tcbStatus)) != keccak256("UpToDate"))
            return (false, "TCB status is not up to date");
        if (!allowedOsImages[bootInfo.osImageHash])
            return (false, "OS image is not allowed");
        if (!kmsAllowedAggregatedMrs[bootInfo.mrAggregated])
            return (false, "Aggregated MR not allowed");
        if (!kmsAllowedDeviceIds[bootInfo.deviceId])
            return (false, "KMS is not allowed to boot on this device");
        return (true, "");
    }

    function isAppAllowed(AppBootInfo calldata bootInfo)
        external
        view
        returns (bool isAllowed, string memory reason)
    {
        if (!registeredApps[bootInfo.appId])
            return (false, "App not registered");
        if (!allowedOsImages[bootInfo.osImageHash])
            return (false, "OS image is not allowed");
        if (bootInfo.appId.code.length == 0)
            return (false, "App not deployed or invalid address");
        return IAppAuth(bootInfo.appId).isAppAllowed(bootInfo);
    }

    function _setImplementation(address implementation) private {
        appImplementation = implementation;
        emit AppImplementationSet(implementation);
        _emitPolicy("app-implementation", _word(implementation), true);
    }
}
