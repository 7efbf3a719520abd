import type { Attempt } from './deliveries.ts';
import type { Forge } from './forge.ts';
import type { Budget } from './limits.ts';
import { fullName, type Installation, type Repo, type Run } from './model.ts';
import type { Mint } from './oidc.ts';
import type { RunnerOrder } from './runners.ts';
import type { PushOrder } from './people.ts';
import { asString, clock, HttpError, isObject, notFound, nowMs, sleep, type Json } from './util.ts';

export interface Order {
    forge: Forge;
    params: Record<string, string>;
    query: URLSearchParams;
    body: Json;
}

export function repoOf(order: Order): Repo {
    return order.forge.world.repo(order.params['repo'] ?? '');
}

export function numberOf(order: Order, name: string): number {
    const value = Number(order.params[name]);
    if (!Number.isInteger(value)) throw notFound();
    return value;
}

export function pullOf(order: Order) {
    return order.forge.people.pull(repoOf(order), numberOf(order, 'number'));
}

export function runOf(order: Order): Run {
    const run = order.forge.runs.byId.get(numberOf(order, 'run'));
    if (!run) throw notFound();
    return run;
}

export function installationOf(order: Order): Installation {
    const one = order.forge.world.installations.get(numberOf(order, 'installation'));
    if (!one) throw notFound();
    return one;
}

export function senderOf(order: Order): string | undefined {
    return asString(order.body['sender']);
}

export function repoView(forge: Forge, repo: Repo): Json {
    return {
        id: repo.id,
        full_name: fullName(repo),
        name: repo.name,
        owner: repo.owner.login,
        owner_id: repo.owner.id,
        default_branch: repo.defaultBranch,
        git_dir: repo.git.dir,
        head: repo.git.branch(repo.defaultBranch) ?? null,
        installation_id: forge.world.installationFor(repo)?.id ?? null,
    };
}

export function pullView(order: Order): Json {
    const pull = pullOf(order);
    return {
        number: pull.number,
        id: pull.id,
        state: pull.state,
        draft: pull.draft,
        merged: pull.merged,
        head_sha: pull.headSha,
        head_ref: pull.headRef,
        base_sha: pull.baseSha,
        base_ref: pull.baseRef,
        merge_sha: pull.mergeSha,
        labels: pull.labels.map((label) => label.name),
        reviews: pull.reviews.map((one) => ({
            id: one.id,
            state: one.state,
            body: one.body,
            user: one.user.login,
            commit_id: one.commitId,
        })),
    };
}

export function runView(run: Run): Json {
    return {
        id: run.id,
        repo: fullName(run.repo),
        workflow: run.workflow.path,
        event: run.event,
        ref: run.ref,
        head_sha: run.headSha,
        inputs: run.inputs,
        display_title: run.displayTitle,
        status: run.status,
        conclusion: run.conclusion,
        attempt: run.attempt,
        actor: run.actor.login,
        history: run.history,
        log: run.log,
        created_at_ms: run.createdAt,
    };
}

function deliveryView(one: Attempt, hasBody: boolean): Json {
    return {
        id: one.id,
        guid: one.guid,
        event: one.event,
        action: one.action,
        status: one.status,
        status_code: one.statusCode,
        redelivery: one.redelivery,
        delivered_at_ms: one.deliveredAt,
        duration_ms: one.durationMs,
        headers: one.headers,
        body: hasBody ? one.body.toString('utf8') : '',
        response_body: one.responseBody,
    };
}

export function deliveryList({ forge, query }: Order): Json[] {
    const event = query.get('event');
    const hasBody = query.get('bodies') !== '0';
    const all = forge.deliveries.list();
    const found = event === null ? all : all.filter((one) => one.event === event);
    return found.map((one) => deliveryView(one, hasBody));
}

export function repoState(order: Order): Json {
    const repo = repoOf(order);
    return {
        ...repoView(order.forge, repo),
        refs: Object.fromEntries(repo.git.refs),
        comments: [...repo.comments.values()].map((one) => ({
            id: one.id,
            number: one.number,
            user: one.user.login,
            body: one.body,
            via_app: one.viaApp,
            deleted: one.deleted,
            revisions: one.revisions.length,
            reactions: one.reactions.map((reaction) => reaction.content),
        })),
        check_runs: [...repo.checkRuns.values()].map((one) => ({
            id: one.id,
            name: one.name,
            sha: one.sha,
            status: one.status,
            conclusion: one.conclusion,
            output: one.output,
            details_url: one.detailsUrl,
            external_id: one.externalId,
            actions: one.actions,
            revisions: one.revisions.length,
        })),
        statuses: repo.statuses.map((one) => ({
            sha: one.sha,
            state: one.state,
            context: one.context,
            description: one.description,
        })),
        pulls: [...repo.pulls.keys()],
    };
}

export function settings(order: Order): Json {
    const { world, runs, deliveries, api, limits, lies } = order.forge;
    return {
        app: {
            id: world.app.id,
            slug: world.app.slug,
            client_id: world.app.clientId,
            client_secret: world.app.clientSecret,
            private_key: world.app.privateKeyPem,
            webhook_secret: world.app.webhookSecret,
            webhook_url: world.app.webhookUrl,
            events: world.app.events,
            bot: world.app.bot.login,
            bot_id: world.app.bot.id,
        },
        delays: runs.delays,
        webhook_delay_ms: deliveries.delayMs,
        api_latency_ms: api.latencyMs,
        core_limit: limits.coreLimit,
        enforce: limits.enforced,
        clock_ahead_ms: clock.aheadMs,
        lies: [...lies],
        token_format: order.forge.tokenFormat,
        installations: [...world.installations.keys()],
    };
}

/** Everything that may be changed while it runs; what is not named stays. */
export function settingsChange(order: Order): Json {
    const { forge, body } = order;
    const { world, runs, deliveries, api, limits } = forge;
    if (typeof body['webhook_url'] === 'string') world.app.webhookUrl = body['webhook_url'];
    if (typeof body['webhook_secret'] === 'string')
        world.app.webhookSecret = body['webhook_secret'];
    if (typeof body['insecure_ssl'] === 'string') world.app.insecureSsl = body['insecure_ssl'];
    if (body['content_type'] === 'json' || body['content_type'] === 'form')
        world.app.contentType = body['content_type'];
    if (isObject(body['delays'])) Object.assign(runs.delays, body['delays']);
    if (typeof body['webhook_delay_ms'] === 'number') deliveries.delayMs = body['webhook_delay_ms'];
    if (typeof body['webhook_timeout_ms'] === 'number')
        deliveries.timeoutMs = body['webhook_timeout_ms'];
    if (typeof body['webhook_concurrency'] === 'number')
        deliveries.concurrency = body['webhook_concurrency'];
    if (typeof body['api_latency_ms'] === 'number') api.latencyMs = body['api_latency_ms'];
    if (typeof body['core_limit'] === 'number') limits.coreLimit = body['core_limit'];
    if (typeof body['token_lifetime_ms'] === 'number')
        forge.auth.lifetimeMs = body['token_lifetime_ms'];
    if (isObject(body['enforce'])) limits.enforced = body['enforce'];
    if (typeof body['clock_ahead_ms'] === 'number') clock.aheadMs = body['clock_ahead_ms'];
    const format = body['token_format'];
    if (format === 'classic' || format === 'stateless' || format === 'mixed')
        forge.tokenFormat = format;
    const style = body['dispatch_style'];
    if (style === 'dotcom' || style === 'ghes' || style === 'ghes-strict')
        forge.dispatchStyle = style;
    if (typeof body['seed'] === 'number') forge.faults.seed(body['seed']);
    if (Array.isArray(body['lies'])) {
        forge.lies.clear();
        for (const lie of body['lies']) forge.lies.add(String(lie));
    }
    if (Array.isArray(body['events'])) {
        const events = body['events'].map(String);
        world.app.events = events;
        for (const one of world.installations.values()) one.events = [...events];
    }
    return settings(order);
}

export function installationAct(order: Order): Json {
    const { forge, body } = order;
    const one = installationOf(order);
    const action = order.params['action'] ?? '';
    const sender = forge.people.sender(senderOf(order));
    if (action === 'repositories') return repositoriesChange(order, one);
    if (action === 'created') forge.events.installation('created', one, sender);
    else if (action === 'suspend') one.suspendedAt = nowMs();
    else if (action === 'unsuspend') one.suspendedAt = null;
    else if (action === 'deleted') one.deleted = true;
    else if (action === 'new_permissions_accepted')
        Object.assign(one.permissions, body['permissions']);
    else throw notFound();
    if (action !== 'created') forge.events.installation(action, one, sender);
    return { id: one.id, suspended_at_ms: one.suspendedAt, deleted: one.deleted };
}

/** What this installation may spend from now on. */
export function budgetSet(order: Order): unknown {
    const { limits } = order.forge;
    const key = `installation ${installationOf(order).id}`;
    limits.budgetSet(key, order.body as Budget, nowMs());
    return limits.verdict(nowMs())[key];
}

export function limitsVerdict(order: Order): Json {
    const { limits } = order.forge;
    const calls = order.query.has('calls') ? { calls: limits.calls } : {};
    return { now_ms: nowMs(), callers: limits.verdict(nowMs()), ...calls };
}

export function repositoriesChange(order: Order, one: Installation): Json {
    const sender = order.forge.people.sender(senderOf(order));
    const ids = (name: string) =>
        (Array.isArray(order.body[name]) ? order.body[name] : []).map(Number);
    const [added, removed] = [ids('add'), ids('remove')];
    for (const id of added) one.repositoryIds.add(id);
    for (const id of removed) one.repositoryIds.delete(id);
    if (added.length > 0) order.forge.events.installationRepositories('added', one, added, sender);
    if (removed.length > 0)
        order.forge.events.installationRepositories('removed', one, removed, sender);
    return { id: one.id, repository_ids: [...one.repositoryIds] };
}

export function repoEdit(order: Order): Json {
    const { forge, body } = order;
    const repo = repoOf(order);
    const sender = forge.people.sender(senderOf(order));
    const branch = asString(body['default_branch']);
    if (branch !== undefined) {
        const changes = { default_branch: { from: repo.defaultBranch } };
        repo.defaultBranch = branch;
        forge.events.repository('edited', repo, sender, { changes });
    }
    if (typeof body['archived'] === 'boolean' && body['archived'] !== repo.archived) {
        repo.archived = body['archived'];
        forge.events.repository(repo.archived ? 'archived' : 'unarchived', repo, sender);
    }
    return repoView(forge, repo);
}

export async function pullAct(order: Order): Promise<Json> {
    const { forge, body } = order;
    const repo = repoOf(order);
    const pull = pullOf(order);
    const sender = senderOf(order);
    switch (order.params['action']) {
        case 'push':
            await forge.people.pushToPull(repo, pull, body as unknown as PushOrder);
            break;
        case 'merge':
            await forge.people.mergePull(repo, pull, asString(body['method']) ?? 'merge', sender);
            break;
        case 'close':
            forge.people.closePull(repo, pull, sender);
            break;
        case 'reopen':
            await forge.people.reopenPull(repo, pull, sender);
            break;
        case 'draft':
            forge.people.setDraft(repo, pull, body['draft'] !== false, sender);
            break;
        case 'label':
            forge.people.label(repo, pull, String(body['name']), body['added'] !== false, sender);
            break;
        case 'edit':
            await forge.people.editPull(repo, pull, body as { title?: string }, sender);
            break;
        case 'lock':
            pull.locked = body['locked'] !== false;
            break;
        case 'activity':
            forge.people.pullActivity(
                repo,
                pull,
                String(body['action']),
                isObject(body['extra']) ? body['extra'] : {},
                sender,
            );
            break;
        default:
            throw notFound();
    }
    return pullView(order);
}

export async function runAct(order: Order): Promise<Json> {
    const { runs, people } = order.forge;
    const run = runOf(order);
    switch (order.params['action']) {
        case 'approve':
            runs.approve(run, true, people.sender(senderOf(order)));
            break;
        case 'reject':
            runs.approve(run, false, people.sender(senderOf(order)));
            break;
        case 'cancel':
            runs.cancel(run);
            break;
        case 'rerun':
            runs.rerun(run, people.sender(senderOf(order)));
            break;
        case 'finish':
            runs.finish(run, asString(order.body['conclusion']) ?? 'failure');
            break;
        default:
            throw notFound();
    }
    return runView(run);
}

/** A run that the App did not ask for: somebody's push, or the button in the forge's own pages. */
export async function runStart(order: Order): Promise<Json> {
    const { forge, body } = order;
    const repo = repoOf(order);
    const file = asString(body['workflow']) ?? '';
    const row = await forge.runs.rowOf(repo, file);
    const ref = asString(body['ref']) ?? repo.defaultBranch;
    const sha = asString(body['sha']) ?? repo.git.resolve(ref) ?? '';
    const workflow = await forge.world.workflow(repo, row.path, sha);
    if (!workflow) throw notFound();
    const inputs = isObject(body['inputs']) ? (body['inputs'] as Record<string, string>) : {};
    const event = asString(body['event']) ?? 'workflow_dispatch';
    return runView(
        forge.runs.begin(
            repo,
            row,
            workflow,
            event,
            ref,
            sha,
            inputs,
            forge.people.sender(asString(body['actor'])),
        ),
    );
}

export async function checkAct(order: Order): Promise<Json> {
    const { forge, body } = order;
    const repo = repoOf(order);
    const run = repo.checkRuns.get(numberOf(order, 'check'));
    if (!run) throw notFound();
    const sender = forge.people.sender(senderOf(order));
    const identifier = asString(body['identifier']);
    if (identifier !== undefined)
        forge.events.checkRun('requested_action', repo, run, sender, {
            requested_action: { identifier },
        });
    else forge.events.checkRun('rerequested', repo, run, sender);
    return { id: run.id };
}

export async function suiteRerequest(order: Order): Promise<Json> {
    const repo = repoOf(order);
    const suite = order.forge.people.suite(repo, order.params['sha'] ?? '', null, null);
    await order.forge.events.checkSuite(
        'rerequested',
        repo,
        suite,
        order.forge.people.sender(senderOf(order)),
    );
    return { id: suite.id };
}

export function commentAct(order: Order, method: string): Json {
    const { people } = order.forge;
    const repo = repoOf(order);
    const user = people.sender(asString(order.body['user']) ?? senderOf(order));
    if (method === 'POST') {
        const made = people.comment(
            repo,
            numberOf(order, 'number'),
            String(order.body['body'] ?? ''),
            user,
            false,
        );
        return { id: made.id };
    }
    const comment = people.liveComment(repo, numberOf(order, 'comment'));
    const text = String(order.body['text'] ?? '');
    if (method === 'TICK') people.tickComment(repo, comment, text, user, asString(order.body['seen']));
    else if (method === 'DELETE') people.deleteComment(repo, comment, user);
    else people.editComment(repo, comment, String(order.body['body'] ?? ''), user);
    return { id: comment.id };
}

/** Any body at all, signed like a real one: hostile text, unknown events, missing fields. */
export function webhookSend(order: Order): Json {
    const { forge, body } = order;
    const payload = isObject(body['payload']) ? body['payload'] : {};
    const repository = payload['repository'];
    const installation = payload['installation'];
    const idOf = (value: unknown) =>
        isObject(value) && typeof value['id'] === 'number' ? value['id'] : null;
    forge.deliveries.emit(
        asString(body['event']) ?? 'unknown',
        asString(payload['action']) ?? null,
        idOf(installation),
        idOf(repository),
        payload,
    );
    return {};
}

export function mint(order: Order): Json {
    const { forge, body } = order;
    const wanted = body as unknown as Mint & { repo?: string | number; runner?: RunnerOrder };
    const claims =
        wanted.repo === undefined
            ? {}
            : forge.runners.claimsOf(forge.world.repo(wanted.repo), wanted.runner ?? {});
    return {
        token: forge.oidc.mint({ ...wanted, claims: { ...claims, ...wanted.claims } }, nowMs()),
    };
}

export async function idle(order: Order): Promise<Json> {
    const until = nowMs() + Number(order.query.get('timeout_ms') ?? 10_000);
    while (!order.forge.isIdle()) {
        if (nowMs() > until) throw new HttpError(408, 'The forge is still busy');
        await sleep(5);
    }
    return { idle: true };
}

export function runsList(order: Order): Json[] {
    const repo = order.query.get('repo');
    const all = [...order.forge.runs.byId.values()];
    return (repo === null ? all : all.filter((run) => fullName(run.repo) === repo)).map(runView);
}
