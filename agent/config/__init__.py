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
from agent.config.stream import (
    TOPIC,
    AdaptationConfig,
    CommissioningConfig,
    CsvSource,
    DriftConfig,
    GatingConfig,
    MqttSource,
    ReplaySource,
    SamplesConfig,
    SourceConfig,
)

__all__ = [
    "DEVICE_ID",
    "MAX_CONFIG_BYTES",
    "RESERVED_IDS",
    "TOPIC",
    "AdaptationConfig",
    "AgentConfig",
    "CommissioningConfig",
    "CsvSource",
    "DeviceId",
    "DriftConfig",
    "GatingConfig",
    "HomeAssistantConfig",
    "LocalConfig",
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
