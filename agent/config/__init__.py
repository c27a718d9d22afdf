"""agent.yaml as a tree of frozen dataclasses: strict, defaults visible, built once in ``__main__``.

An unknown key, a wrong type or a value out of bounds is an error that names file, key path and what may stand there.
Relative paths are relative to the directory of the file.
"""

from agent.config.settings import (
    DEVICE_ID,
    MAX_CONFIG_BYTES,
    RESERVED_IDS,
    AgentConfig,
    DeviceId,
    HomeAssistantConfig,
    LocalConfig,
    MqttConfig,
    ProvisionalConfig,
    ReportConfig,
    ShadowConfig,
    SinkConfig,
    TlsConfig,
    UpdateConfig,
    WorkerConfig,
    load_config,
    resolved,
)
from agent.config.sources import (
    FILE_SOURCES,
    TOPIC,
    CameraSource,
    CsvSource,
    FolderSource,
    MicrophoneSource,
    MqttSource,
    ReplaySource,
    SourceConfig,
)
from agent.config.stream import AdaptationConfig, CommissioningConfig, DriftConfig, GatingConfig, SamplesConfig

__all__ = [
    "DEVICE_ID",
    "FILE_SOURCES",
    "MAX_CONFIG_BYTES",
    "RESERVED_IDS",
    "TOPIC",
    "AdaptationConfig",
    "AgentConfig",
    "CameraSource",
    "CommissioningConfig",
    "CsvSource",
    "DeviceId",
    "DriftConfig",
    "FolderSource",
    "GatingConfig",
    "HomeAssistantConfig",
    "LocalConfig",
    "MicrophoneSource",
    "MqttConfig",
    "MqttSource",
    "ProvisionalConfig",
    "ReplaySource",
    "ReportConfig",
    "SamplesConfig",
    "ShadowConfig",
    "SinkConfig",
    "SourceConfig",
    "TlsConfig",
    "UpdateConfig",
    "WorkerConfig",
    "load_config",
    "resolved",
]
