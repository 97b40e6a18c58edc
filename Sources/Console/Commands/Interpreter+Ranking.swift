// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

package import Addressing
import Choice
import RouteTable

extension Interpreter {
    /// The answer to `nearest` and `rank`, which need no more than a reader; nil for `explain`.
    package func quickReply(
        _ question: Command.Question, _ client: IPAddress, name: String?, _ answerer: Answerer
    ) -> Reply? {
        let policy: Int
        do {
            policy = try self.policy(for: name)
        } catch {
            return .failure(error)
        }
        switch question {
        case .explain: return nil
        case .nearest:
            do throws(CommandFailure) {
                let nearest = try self.nearest(client, policy: policy, answerer)
                return .spoken(forPeople: nearest.forPeople, forPrograms: nearest.forPrograms)
            } catch {
                return .failure(error)
            }
        case .rank:
            return .table(
                self.ranking(client, name: name, policy: policy, answerer)
                    .table(withRoutes: false))
        }
    }

    /// The first site for a client.
    func nearest(
        _ client: IPAddress, policy: Int, _ answerer: Answerer
    ) throws(CommandFailure) -> Nearest {
        if case .notReady(let words) = self.backend.readiness() {
            throw CommandFailure(.notReady, "not ready: \(words)")
        }
        let nearest = answerer.withBatch { batch, _ in
            batch.nearest(policy: policy, client: client)
        }
        guard let nearest else { throw Nearest.nobody }
        return nearest
    }

    /// What a ranking is and why, from one snapshot; the routes come later.
    private func ranking(
        _ client: IPAddress, name: String?, policy: Int, _ answerer: Answerer,
        answers: AnswerForm? = nil
    ) -> Explanation {
        answerer.withBatch { batch, _ in
            let (ranking, scope) = batch.ranking(policy: policy, family: nil, client: client)
            let world = batch.world
            var explanation = Explanation(
                client: client, name: name,
                policy: world.policies.indices.contains(policy)
                    ? world.policies[policy] : Policy(sites: []),
                ranking: ranking, scope: scope, place: batch.values(of: client).place,
                sites: Dictionary(
                    world.sites.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first }))
            explanation.now = self.now()
            explanation.answerScopes = answers.map {
                batch.answerScopes(policy: policy, client: client, form: $0)
            }
            for entry in ranking.entries where entry.state == .stale {
                explanation.staleSites[entry.site] = self.backend.staleSince(site: entry.site)
                if world.status[entry.site]?.feeds == .lost {
                    explanation.lostSites.insert(entry.site)
                }
            }
            return explanation
        }
    }

    /// A ranking with the routes behind it, which the owner of the table is asked for.
    ///
    /// `scope`: that of the first site alone, where only that is asked for; nil for the ranking's.
    func explanation(
        _ client: IPAddress, name: String?, scope: Int? = nil
    ) async throws -> Explanation {
        let policy = try self.policy(for: name)
        let report = name.flatMap { self.backend.nearestName($0) }
        var explanation = self.ranking(
            client, name: name, policy: policy, self.answerer, answers: report?.form)
        if let scope { explanation.scope = scope }
        let (routes, ignored, held, summaries) = try await self.backend.owner.query {
            (
                $0.routes(covering: client), $0.ignoredRoutes(covering: client),
                $0.flipHolds(covering: client), $0.feedSummaries()
            )
        }
        if explanation.ranking.entries.contains(where: { $0.reason == .pinned }) {
            explanation.pin = await self.backend.pin(covering: client)
        }
        explanation.feedNews = await self.feedNews(summaries, client.family)
        explanation.ignored = ignored
        explanation.held = held
        explanation.routes = Dictionary(
            routes.map { ($0.site, $0) }, uniquingKeysWith: { first, _ in first })
        explanation.distanceReasons = explanation.routes.compactMapValues {
            self.backend.distanceReason($0)
        }
        explanation.feedNames = Dictionary(
            self.backend.feedIdentities().map { ($0.id, $0.name) },
            uniquingKeysWith: { first, _ in first })
        for route in routes where route.isStale {
            explanation.staleFeeds[route.feed] = self.backend.staleSince(feed: route.feed)
        }
        return explanation
    }
}
