// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Configuration

/// Configurations, without a look at the files that they name. A refusal names the line of each
/// complaint; what is accepted can be planned.
func fuzzConfigurations(_ bytes: UnsafeRawBufferPointer) {
    do throws(ConfigurationError) {
        let configuration = try Configuration.parse([UInt8](bytes))
        let plan = configuration.plan(usualSocket: nil)
        require(plan.sites.count == configuration.sites.count, "every site is planned")
        require(configuration.sites.count <= 64, "there are 64 sites at most")
        require(
            configuration.differences(from: configuration).isEmpty, "nothing differs from itself")
    } catch {
        require(!error.complaints.isEmpty, "a refusal says why")
        for complaint in error.complaints {
            require(
                complaint.description.hasPrefix("martlet.yaml:"), "\(complaint) names its place")
        }
    }
}
