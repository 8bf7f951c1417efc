//! Test helpers of morphograd: strategies, naive references and conformance checks.
