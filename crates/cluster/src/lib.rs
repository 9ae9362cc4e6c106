//! The cluster protocol as pure state: framing, zones, routing, access, replay
