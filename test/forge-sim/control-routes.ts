import type { Fault } from './faults.ts';
import { type Permission, type Script } from './model.ts';
import { Referee } from './referee.ts';
import type { RunnerOrder } from './runners.ts';
import type { PullOrder, PushOrder, ReleaseOrder } from './people.ts';
import type { RepoOrder } from './world.ts';
import { asString, notFound, nowMs } from './util.ts';

import {
    repoOf,
    numberOf,
    runOf,
    senderOf,
    repoView,
    pullView,
    runView,
    deliveryList,
    repoState,
    settings,
    settingsChange,
    installationAct,
    repoEdit,
    pullAct,
    runAct,
    runStart,
    checkAct,
    suiteRerequest,
    commentAct,
    webhookSend,
    budgetSet,
    limitsVerdict,
    mint,
    idle,
    runsList,
    type Order,
} from './control-acts.ts';

export interface ControlRoute {
    method: string;
    template: string;
    handle: (order: Order) => unknown;
}

/** All that a test may order; README.md documents each. */
export const controlRoutes: ControlRoute[] = [
    { method: 'GET', template: '/settings', handle: settings },
    { method: 'PUT', template: '/settings', handle: settingsChange },
    { method: 'GET', template: '/idle', handle: idle },
    {
        method: 'POST',
        template: '/repos',
        handle: async (order) =>
            repoView(
                order.forge,
                await order.forge.world.createRepo(order.body as unknown as RepoOrder),
            ),
    },
    {
        method: 'GET',
        template: '/repos',
        handle: (order) =>
            [...order.forge.world.repos.values()].map((repo) => repoView(order.forge, repo)),
    },
    { method: 'GET', template: '/repos/:repo', handle: repoState },
    {
        method: 'POST',
        template: '/repos/:repo/push',
        handle: async (order) => ({
            sha: await order.forge.people.push(repoOf(order), order.body as unknown as PushOrder),
        }),
    },
    {
        method: 'POST',
        template: '/repos/:repo/refresh',
        handle: async (order) => {
            await repoOf(order).git.refresh();
            return repoView(order.forge, repoOf(order));
        },
    },
    {
        method: 'POST',
        template: '/repos/:repo/rename',
        handle: (order) => {
            const repo = repoOf(order);
            const from = repo.name;
            order.forge.world.rename(repo, String(order.body['name']));
            const changes = { repository: { name: { from } } };
            order.forge.events.repository(
                'renamed',
                repo,
                order.forge.people.sender(senderOf(order)),
                { changes },
            );
            return repoView(order.forge, repo);
        },
    },
    { method: 'POST', template: '/repos/:repo/edit', handle: repoEdit },
    {
        method: 'POST',
        template: '/repos/:repo/users',
        handle: (order) => {
            const login = String(order.body['login']);
            const user = order.forge.world.user(login);
            repoOf(order).permissions.set(
                login.toLowerCase(),
                order.body['permission'] as Permission,
            );
            return { id: user.id, login: user.login };
        },
    },
    {
        method: 'POST',
        template: '/repos/:repo/environments',
        handle: (order) => {
            const name = String(order.body['name']);
            const reviewers = Array.isArray(order.body['reviewers'])
                ? order.body['reviewers'].map(String)
                : [];
            const id = order.forge.world.id('environment', 9_000_001);
            repoOf(order).environments.set(name, { id, name, createdAt: nowMs(), reviewers });
            return { id };
        },
    },
    {
        method: 'POST',
        template: '/repos/:repo/workflows/:file/disabled',
        handle: async (order) => {
            const row = await order.forge.runs.rowOf(repoOf(order), order.params['file'] ?? '');
            row.disabled = order.body['disabled'] !== false;
            return { id: row.id, disabled: row.disabled };
        },
    },
    {
        method: 'POST',
        template: '/repos/:repo/pulls',
        handle: async (order) => {
            const pull = await order.forge.people.openPull(
                repoOf(order),
                order.body as unknown as PullOrder,
            );
            return pullView({ ...order, params: { ...order.params, number: String(pull.number) } });
        },
    },
    { method: 'GET', template: '/repos/:repo/pulls/:number', handle: pullView },
    {
        method: 'POST',
        template: '/repos/:repo/pulls/:number/comments',
        handle: (order) => commentAct(order, 'POST'),
    },
    { method: 'POST', template: '/repos/:repo/pulls/:number/:action', handle: pullAct },
    {
        method: 'PATCH',
        template: '/repos/:repo/comments/:comment',
        handle: (order) => commentAct(order, 'PATCH'),
    },
    {
        method: 'POST',
        template: '/repos/:repo/comments/:comment/tick',
        handle: (order) => commentAct(order, 'TICK'),
    },
    {
        method: 'DELETE',
        template: '/repos/:repo/comments/:comment',
        handle: (order) => commentAct(order, 'DELETE'),
    },
    {
        method: 'POST',
        template: '/repos/:repo/releases',
        handle: async (order) => ({
            id: (
                await order.forge.people.release(
                    repoOf(order),
                    order.body as unknown as ReleaseOrder,
                )
            ).id,
        }),
    },
    {
        method: 'POST',
        template: '/repos/:repo/merge-groups',
        handle: async (order) => {
            const pull = order.forge.people.pull(repoOf(order), Number(order.body['number']));
            const group = await order.forge.people.mergeGroup(repoOf(order), pull, senderOf(order));
            return { head_sha: group.headSha, head_ref: group.headRef, base_sha: group.baseSha };
        },
    },
    {
        method: 'POST',
        template: '/repos/:repo/merge-groups/:sha/end',
        handle: async (order) => {
            await order.forge.people.mergeGroupEnd(
                repoOf(order),
                order.params['sha'] ?? '',
                asString(order.body['reason']) ?? 'merged',
                senderOf(order),
            );
            return {};
        },
    },
    { method: 'POST', template: '/repos/:repo/check-runs/:check/request', handle: checkAct },
    {
        method: 'POST',
        template: '/repos/:repo/check-suites/:sha/rerequest',
        handle: suiteRerequest,
    },
    { method: 'POST', template: '/repos/:repo/runs', handle: runStart },
    {
        method: 'POST',
        template: '/repos/:repo/runner-env',
        handle: (order) =>
            order.forge.runners.environment(repoOf(order), order.body as RunnerOrder),
    },
    { method: 'GET', template: '/runs', handle: runsList },
    { method: 'GET', template: '/runs/:run', handle: (order) => runView(runOf(order)) },
    { method: 'POST', template: '/runs/:run/:action', handle: runAct },
    {
        method: 'POST',
        template: '/scripts',
        handle: (order) => ({ id: order.forge.runs.addScript(order.body as Script) }),
    },
    {
        method: 'DELETE',
        template: '/scripts',
        handle: (order) => {
            order.forge.runs.scripts = [];
            return {};
        },
    },
    { method: 'GET', template: '/faults', handle: (order) => order.forge.faults.list() },
    {
        method: 'POST',
        template: '/faults',
        handle: (order) => ({ id: order.forge.faults.arm(order.body as unknown as Fault) }),
    },
    {
        method: 'DELETE',
        template: '/faults',
        handle: (order) => {
            order.forge.faults.clear();
            return {};
        },
    },
    {
        method: 'DELETE',
        template: '/faults/:fault',
        handle: (order) => {
            order.forge.faults.clear(numberOf(order, 'fault'));
            return {};
        },
    },
    {
        method: 'GET',
        template: '/deliveries',
        handle: deliveryList,
    },
    {
        method: 'POST',
        template: '/deliveries/:delivery/redeliver',
        handle: (order) => {
            const one = order.forge.deliveries.attempts.get(numberOf(order, 'delivery'));
            if (!one) throw notFound();
            order.forge.deliveries.redeliver(one);
            return {};
        },
    },
    {
        method: 'POST',
        template: '/ping',
        handle: (order) => {
            order.forge.events.ping();
            return {};
        },
    },
    { method: 'POST', template: '/webhooks', handle: webhookSend },
    { method: 'PUT', template: '/installations/:installation/budget', handle: budgetSet },
    { method: 'POST', template: '/installations/:installation/:action', handle: installationAct },
    { method: 'GET', template: '/limits', handle: limitsVerdict },
    {
        method: 'POST',
        template: '/tokens/revoke',
        handle: (order) => {
            order.forge.auth.revokeAll();
            return {};
        },
    },
    {
        method: 'POST',
        template: '/limits/reset',
        handle: (order) => {
            order.forge.limits.forget();
            return {};
        },
    },
    {
        method: 'PUT',
        template: '/oauth/browser',
        handle: ({ forge, body }) => {
            const login = asString(body['login']);
            forge.oauth.browser = login === undefined ? null : forge.world.user(login);
            forge.oauth.refuses = body['refuses'] === true;
            return { id: forge.oauth.browser?.id ?? null };
        },
    },
    {
        method: 'GET',
        template: '/oauth',
        handle: ({ forge }) => ({
            exchanged: forge.oauth.exchanged,
            refused: forge.oauth.refused,
        }),
    },
    {
        method: 'POST',
        template: '/users/:login/rename',
        handle: ({ forge, params, body }) => ({
            id: forge.world.renameUser(params['login'] ?? '', String(body['to'])).id,
        }),
    },
    { method: 'POST', template: '/oidc/mint', handle: mint },
    {
        method: 'POST',
        template: '/oidc/rotate',
        handle: (order) => ({ kid: order.forge.oidc.rotate(order.body['keep_old'] !== false) }),
    },
    {
        method: 'GET',
        template: '/referee',
        handle: ({ forge, query }) => ({
            ...forge.referee.verdict(forge, query.has('full')),
            oidc: forge.oidc.requests,
        }),
    },
    {
        method: 'POST',
        template: '/referee/reset',
        handle: (order) => {
            order.forge.referee = new Referee();
            return {};
        },
    },
];
