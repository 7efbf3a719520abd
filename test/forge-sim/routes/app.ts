import { randomBytes } from 'node:crypto';
import type { Attempt } from '../deliveries.ts';
import type { Installation } from '../model.ts';
import { bodyOf, idParam, ok, paged, type Call, type Reply, type Route } from '../router.ts';
import { appShape, installationShape, repoShape } from '../shapes.ts';
import { asString, HttpError, invalid, iso, isObject, notFound, type Json } from '../util.ts';

const levels = ['read', 'write', 'admin'];

function installationOf(call: Call): Installation {
    const one = call.forge.world.installations.get(idParam(call, 'installation'));
    if (!one || one.deleted) throw notFound();
    return one;
}

/** Asked for more than the installation has: 422, as GitHub. */
function permissionsOf(one: Installation, asked: unknown): Record<string, string> {
    if (!isObject(asked)) return { ...one.permissions };
    const granted: Record<string, string> = {};
    for (const [name, level] of Object.entries(asked)) {
        const has = one.permissions[name];
        if (typeof level !== 'string' || !has || levels.indexOf(level) > levels.indexOf(has)) {
            throw new HttpError(
                422,
                'The permissions requested are not granted to this installation.',
            );
        }
        granted[name] = level;
    }
    return { metadata: 'read', ...granted };
}

function repositoriesOf(call: Call, one: Installation, body: Json): Set<number> | null {
    const { repository_ids: ids, repositories: names } = body;
    if (!Array.isArray(ids) && !Array.isArray(names)) return null;
    const wanted = new Set<number>();
    for (const id of Array.isArray(ids) ? ids : []) wanted.add(Number(id));
    for (const name of Array.isArray(names) ? names : []) {
        wanted.add(
            call.forge.world.names.get(`${one.account.login}/${String(name)}`.toLowerCase()) ?? -1,
        );
    }
    for (const id of wanted) {
        if (!one.repositoryIds.has(id)) {
            throw new HttpError(
                422,
                'There is at least one repository that does not exist or is not accessible to the parent installation.',
            );
        }
    }
    return wanted;
}

function formatOf(call: Call): 'classic' | 'stateless' {
    const asked = call.headers['x-github-stateless-s2s-token'];
    if (asked === 'enabled') return 'stateless';
    if (asked === 'disabled') return 'classic';
    const format = call.forge.tokenFormat;
    return format === 'mixed' ? (call.nowMs % 2 === 0 ? 'classic' : 'stateless') : format;
}

function tokenCreate(call: Call): Reply {
    const { forge } = call;
    const one = installationOf(call);
    if (one.suspendedAt !== null) throw new HttpError(403, 'This installation has been suspended');
    const body = bodyOf(call);
    const repositoryIds = repositoriesOf(call, one, body);
    const token = forge.auth.issue(
        {
            installation: one,
            repositoryIds,
            permissions: permissionsOf(one, body['permissions']),
            actor: forge.world.app.bot,
            viaApp: true,
        },
        formatOf(call),
        call.nowMs,
    );
    const repositories =
        repositoryIds === null
            ? {}
            : {
                  repositories: [...repositoryIds].map((id) =>
                      repoShape(forge.world.repo(id), forge.origin),
                  ),
              };
    return ok(
        {
            token: token.text,
            expires_at: iso(token.expiresAt),
            permissions: token.permissions,
            repository_selection: repositoryIds === null ? 'all' : 'selected',
            ...repositories,
        },
        201,
    );
}

function installationRepositories(call: Call): Reply {
    const ids = [...call.token.installation.repositoryIds].filter(
        (id) => call.token.repositoryIds === null || call.token.repositoryIds.has(id),
    );
    const all = ids.map((id) => repoShape(call.forge.world.repo(id), call.forge.origin));
    return paged(call, all, (page) => ({
        total_count: all.length,
        repository_selection: 'selected',
        repositories: page,
    }));
}

function hookConfig(call: Call): Json {
    const app = call.forge.world.app;
    return {
        content_type: app.contentType,
        insecure_ssl: app.insecureSsl,
        url: app.webhookUrl ?? '',
        ...(app.webhookSecret ? { secret: '********' } : {}),
    };
}

function hookConfigChange(call: Call): Reply {
    const app = call.forge.world.app;
    const body = bodyOf(call);
    app.webhookUrl = asString(body['url']) ?? app.webhookUrl;
    app.webhookSecret = asString(body['secret']) ?? app.webhookSecret;
    const type = body['content_type'];
    if (type === 'json' || type === 'form') app.contentType = type;
    if (body['insecure_ssl'] !== undefined) app.insecureSsl = String(body['insecure_ssl']);
    return ok(hookConfig(call));
}

function deliveryItem(one: Attempt): Json {
    return {
        id: one.id,
        guid: one.guid,
        delivered_at: new Date(one.deliveredAt).toISOString(),
        redelivery: one.redelivery,
        duration: one.durationMs / 1000,
        status: one.status,
        status_code: one.statusCode,
        event: one.event,
        action: one.action,
        installation_id: one.installationId,
        repository_id: one.repositoryId,
        throttled_at: null,
    };
}

/** Newest first; the cursor is the id of the last one shown. */
function deliveries(call: Call): Reply {
    const size = Math.min(100, Math.max(1, Number(call.query.get('per_page') ?? 30) || 30));
    const status = call.query.get('status');
    const cursor = call.query.get('cursor');
    const before = cursor === null ? Infinity : Number(cursor.replace(/^v1_/, ''));
    if (Number.isNaN(before)) throw new HttpError(400, 'Invalid cursor');
    const isFailed = (one: Attempt) => one.statusCode < 200 || one.statusCode >= 400;
    const all = call.forge.deliveries
        .list()
        .reverse()
        .filter(
            (one) =>
                one.id < before && (status === null || (status === 'failure') === isFailed(one)),
        );
    all.sort((left, right) => right.id - left.id);
    const page = all.slice(0, size);
    const headers: Record<string, string> = {};
    const last = page[page.length - 1];
    if (all.length > size && last) {
        const query = new URLSearchParams(call.query);
        query.set('cursor', `v1_${last.id}`);
        headers['link'] = `<${call.forge.origin.api}${call.path}?${query.toString()}>; rel="next"`;
    }
    return { status: 200, body: page.map(deliveryItem), headers };
}

function delivery(call: Call): Attempt {
    const one = call.forge.deliveries.attempts.get(idParam(call, 'delivery'));
    if (!one) throw notFound();
    return one;
}

function deliveryFull(call: Call): Reply {
    const one = delivery(call);
    const text = one.body.toString('utf8');
    const json = text.startsWith('payload=') ? decodeURIComponent(text.slice(8)) : text;
    return ok({
        ...deliveryItem(one),
        url: call.forge.world.app.webhookUrl ?? '',
        request: { headers: one.headers, payload: JSON.parse(json) as unknown },
        response: { headers: one.responseHeaders, payload: one.responseBody },
    });
}

function redeliver(call: Call): Reply {
    call.forge.deliveries.redeliver(delivery(call));
    return ok({}, 202);
}

/** The page behind "create App from manifest", without the page: it agrees at once. */
function manifestSubmit(call: Call): Reply {
    const form = isObject(call.body) ? call.body : {};
    let manifest: unknown;
    try {
        manifest = JSON.parse(String(form['manifest'] ?? ''));
    } catch {
        throw invalid('The manifest is not JSON');
    }
    if (!isObject(manifest) || typeof manifest['url'] !== 'string')
        throw invalid('The manifest needs a url');
    const hook = isObject(manifest['hook_attributes']) ? manifest['hook_attributes'] : {};
    const world = call.forge.world;
    const name = asString(manifest['name']) ?? 'app-from-manifest';
    const app = world.appMake({
        slug: name.toLowerCase().replace(/[^a-z0-9]+/g, '-'),
        owner: call.params['org'] ?? 'octocat',
        webhookUrl: asString(hook['url']),
        events: Array.isArray(manifest['default_events'])
            ? manifest['default_events'].map(String)
            : undefined,
        permissions: isObject(manifest['default_permissions'])
            ? (manifest['default_permissions'] as Record<string, string>)
            : undefined,
    });
    app.name = name;
    app.externalUrl = manifest['url'];
    if (Array.isArray(manifest['callback_urls']))
        call.forge.oauth.callbackUrls = manifest['callback_urls'].map(String);
    const code = randomBytes(20).toString('hex');
    world.manifests.set(code, { app, at: call.nowMs });
    const redirect = new URL(asString(manifest['redirect_url']) ?? manifest['url']);
    redirect.searchParams.set('code', code);
    const state = call.query.get('state');
    if (state !== null) redirect.searchParams.set('state', state);
    return { status: 302, raw: '', type: 'text/html', headers: { location: redirect.toString() } };
}

/** One use, one hour. The new App takes the place of the old one from here on. */
function manifestConvert(call: Call): Reply {
    const world = call.forge.world;
    const code = call.params['code'] ?? '';
    const found = world.manifests.get(code);
    world.manifests.delete(code);
    if (!found || call.nowMs - found.at > 3600_000) throw notFound();
    Object.assign(world.app, found.app);
    return ok(
        {
            ...appShape(world.app, call.forge.origin),
            client_secret: world.app.clientSecret,
            webhook_secret: world.app.webhookSecret,
            pem: world.app.privateKeyPem,
        },
        201,
    );
}

function rateLimit(call: Call): Reply {
    const { auth, limits } = call.forge;
    const token = auth.tokens.get(auth.bearer(call.headers.authorization) ?? '');
    const key = token?.viaApp ? `installation ${token.installation.id}` : token ? 'job' : 'app';
    const headers = limits.headers(key, call.nowMs);
    const of = (name: string) => Number(headers[`x-ratelimit-${name}`]);
    const core = {
        limit: of('limit'),
        used: of('used'),
        remaining: of('remaining'),
        reset: of('reset'),
    };
    const other = { limit: 30, used: 0, remaining: 30, reset: core.reset };
    const isNewer = call.headers['x-github-api-version'] === '2026-03-10';
    const resources = { core, search: other, graphql: { ...core, used: 0 } };
    return ok(isNewer ? { resources } : { resources, rate: core });
}

export const appRoutes: Route[] = [
    {
        method: 'GET',
        template: '/app',
        auth: 'app',
        handle: (call) => ok(appShape(call.forge.world.app, call.forge.origin)),
    },
    {
        method: 'GET',
        template: '/app/installations',
        auth: 'app',
        handle: (call) =>
            paged(
                call,
                [...call.forge.world.installations.values()]
                    .filter((one) => !one.deleted)
                    .map((one) => installationShape(one, call.forge.world.app, call.forge.origin)),
            ),
    },
    {
        method: 'GET',
        template: '/app/installations/:installation',
        auth: 'app',
        handle: (call) =>
            ok(installationShape(installationOf(call), call.forge.world.app, call.forge.origin)),
    },
    {
        method: 'POST',
        template: '/app/installations/:installation/access_tokens',
        auth: 'app',
        handle: tokenCreate,
    },
    {
        method: 'GET',
        template: '/repos/:owner/:repo/installation',
        auth: 'app',
        handle: (call) => {
            const one = call.forge.world.installationFor(call.repo);
            if (!one) throw notFound();
            return ok(installationShape(one, call.forge.world.app, call.forge.origin));
        },
    },
    {
        method: 'GET',
        template: '/installation/repositories',
        auth: 'token',
        handle: installationRepositories,
    },
    {
        method: 'DELETE',
        template: '/installation/token',
        auth: 'token',
        handle: (call) => {
            call.forge.auth.tokens.delete(call.token.text);
            return { status: 204 };
        },
    },
    {
        method: 'GET',
        template: '/app/hook/config',
        auth: 'app',
        handle: (call) => ok(hookConfig(call)),
    },
    { method: 'PATCH', template: '/app/hook/config', auth: 'app', handle: hookConfigChange },
    { method: 'GET', template: '/app/hook/deliveries', auth: 'app', handle: deliveries },
    {
        method: 'GET',
        template: '/app/hook/deliveries/:delivery',
        auth: 'app',
        handle: deliveryFull,
    },
    {
        method: 'POST',
        template: '/app/hook/deliveries/:delivery/attempts',
        auth: 'app',
        handle: redeliver,
    },
    { method: 'POST', template: '/settings/apps/new', auth: 'none', handle: manifestSubmit },
    {
        method: 'POST',
        template: '/organizations/:org/settings/apps/new',
        auth: 'none',
        handle: manifestSubmit,
    },
    {
        method: 'POST',
        template: '/app-manifests/:code/conversions',
        auth: 'none',
        handle: manifestConvert,
    },
    { method: 'GET', template: '/rate_limit', auth: 'any', handle: rateLimit },
    {
        method: 'GET',
        template: '/meta',
        auth: 'any',
        handle: () =>
            ok({
                verifiable_password_authentication: false,
                hooks: ['127.0.0.1/32'],
                api: ['127.0.0.1/32'],
            }),
    },
];
