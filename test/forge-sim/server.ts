import { createHash, randomBytes } from 'node:crypto';
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Fault } from './faults.ts';
import type { Forge } from './forge.ts';
import { gitServe, isGitPath } from './githttp.ts';
import { oddHeaders, type Refusal } from './limits.ts';
import { fullName } from './model.ts';
import { Router, type Call, type Reply, type Route } from './router.ts';
import { HttpError, isObject, nowMs, sleep } from './util.ts';

const body_bytes_max = 26_214_400;
export const api_versions = ['2022-11-28', '2026-03-10'];
const documentation = 'https://docs.github.com/rest';
const html_502 =
    '<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n' +
    '<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n';

interface Raw {
    request: http.IncomingMessage;
    response: http.ServerResponse;
    raw: Buffer;
}

/** The REST listener: what happens around every call, before and after its handler. */
export class ApiServer {
    latencyMs = 0;
    lies: Set<string> = new Set();
    private forge: Forge;
    private router = new Router<Route>();
    private server: http.Server;

    constructor(forge: Forge, routes: Route[]) {
        this.forge = forge;
        this.router.add(routes);
        this.server = http.createServer(
            { keepAliveTimeout: 65_000, maxHeaderSize: 65_536 },
            (request, response) => {
                const path = (request.url ?? '/').split('?')[0] ?? '/';
                void (isGitPath(path)
                    ? gitServe(forge, request, response)
                    : this.receive(request, response));
            },
        );
    }

    async listen(port: number): Promise<string> {
        await new Promise<void>((done) => this.server.listen(port, '127.0.0.1', 1024, done));
        return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
    }

    close(): void {
        this.server.closeAllConnections();
        this.server.close();
    }

    private async receive(
        request: http.IncomingMessage,
        response: http.ServerResponse,
    ): Promise<void> {
        try {
            const parts: Buffer[] = [];
            let size = 0;
            for await (const part of request) {
                size += (part as Buffer).length;
                if (size > body_bytes_max) return void request.destroy();
                parts.push(part as Buffer);
            }
            await this.serve({ request, response, raw: Buffer.concat(parts) });
        } catch (error) {
            if (!request.destroyed) console.error('forge-sim: call failed:', error);
            response.destroy();
        }
    }

    private async serve(at: Raw): Promise<void> {
        const { request } = at;
        const url = new URL(request.url ?? '/', 'http://127.0.0.1');
        const path = this.plainPath(url.pathname);
        const method = request.method ?? 'GET';
        const referee = this.forge.referee;
        const label = `${method} ${path}`;
        const found = this.router.find(method, path);
        referee.count(
            referee.callsByRoute,
            found ? `${method} ${found.route.template}` : `${method} unknown`,
        );
        referee.inFlight++;
        referee.inFlightMax = Math.max(referee.inFlightMax, referee.inFlight);
        this.noteHeaders(request);
        const caller = this.callerOf(request);
        try {
            await this.limited(at, caller, label, found, { path, query: url.searchParams, method });
        } finally {
            referee.inFlight--;
        }
    }

    private async limited(
        at: Raw,
        caller: string,
        label: string,
        found: ReturnType<Router<Route>['find']>,
        where: { path: string; query: URLSearchParams; method: string },
    ): Promise<void> {
        const { limits, faults, referee } = this.forge;
        const arrived = nowMs();
        const isMutation = where.method !== 'GET' && where.method !== 'HEAD';
        if (limits.isLimited(caller, arrived)) referee.callsWhileLimited++;
        const refusal =
            where.path === '/rate_limit'
                ? undefined
                : limits.enter(
                      caller,
                      found ? `${where.method} ${found.route.template}` : label,
                      isMutation,
                      found?.route.content ?? false,
                      arrived,
                  );
        let reply: Reply | undefined;
        const fired = faults.forCall(label, false);
        for (const fault of fired) referee.count(referee.faultsFired, fault.kind);
        try {
            if (this.latencyMs > 0) await sleep(this.latencyMs);
            reply = refusal ? refusalReply(refusal) : await this.before(at, caller, fired);
            reply ??= await this.handled(at, found, where);
            if (await this.after(at, reply, fired)) return;
            const odd = fired.find((fault) => fault.kind === 'odd-limits');
            if (odd && where.path === '/rate_limit') reply.body = oddQuota(reply.body, odd);
            this.send(at, caller, reply, odd);
            const isRefusal = fired.some(
                (one) => one.kind === 'secondary' || one.kind === 'primary',
            );
            if (refusal || isRefusal) limits.told(caller, nowMs());
        } finally {
            if (where.path !== '/rate_limit') limits.leave(caller, nowMs(), reply?.status === 304);
        }
    }

    /** Faults that hit before the call has any effect. */
    private async before(at: Raw, caller: string, fired: Fault[]): Promise<Reply | undefined> {
        for (const fault of fired) {
            switch (fault.kind) {
                case 'latency':
                    await sleep(fault.ms ?? 1000);
                    break;
                case 'error500':
                    return { status: 500, body: { message: 'Server Error' } };
                case 'html502':
                    return { status: 502, raw: html_502, type: 'text/html' };
                case 'unavailable503':
                    return {
                        status: 503,
                        body: { message: 'Service unavailable', documentation_url: documentation },
                    };
                case 'unauthorized':
                    return errorReply(new HttpError(401, 'Bad credentials'));
                case 'forbidden':
                    return errorReply(new HttpError(403, 'Resource not accessible by integration'));
                case 'not-found':
                    return errorReply(new HttpError(404, 'Not Found'));
                case 'reset-before':
                    at.request.socket.resetAndDestroy();
                    return { status: 0 };
                case 'secondary':
                case 'primary': {
                    const refusal = this.forge.limits.refuseByFault(caller, fault, nowMs());
                    if (this.lies.has('no-retry-after')) delete refusal.headers['retry-after'];
                    return refusalReply(refusal);
                }
                default:
                    break;
            }
        }
        return undefined;
    }

    /** Faults that hit after the effect; true when nothing is left to answer. */
    private async after(at: Raw, reply: Reply, fired: Fault[]): Promise<boolean> {
        if (reply.status === 0) return true;
        for (const fault of fired) {
            if (fault.kind === 'reset-after') {
                at.request.socket.resetAndDestroy();
                return true;
            }
            if (fault.kind === 'late-answer') await sleep(fault.ms ?? 1000);
            if (fault.kind === 'hang') {
                await sleep(fault.ms ?? 120_000);
                at.request.socket.destroy();
                return true;
            }
            if (fault.kind === 'html502-after') {
                at.response.writeHead(502, {
                    'content-type': 'text/html',
                    'content-length': html_502.length,
                });
                at.response.end(html_502);
                return true;
            }
            if (fault.kind === 'truncated') {
                const text = JSON.stringify(reply.body ?? {});
                at.response.writeHead(reply.status, {
                    'content-type': 'application/json; charset=utf-8',
                });
                at.response.end(text.slice(0, Math.floor(text.length / 2)));
                return true;
            }
        }
        return false;
    }

    private async handled(
        at: Raw,
        found: ReturnType<Router<Route>['find']>,
        where: { path: string; query: URLSearchParams; method: string },
    ): Promise<Reply> {
        try {
            if (!at.request.headers['user-agent']) {
                return {
                    status: 403,
                    type: 'text/html',
                    raw:
                        'Request forbidden by administrative rules. Please make ' +
                        'sure your request has a User-Agent header (https://docs.github.com/en/rest/using-the-' +
                        'rest-api/troubleshooting-the-rest-api#user-agent-required).',
                };
            }
            if (!found) throw new HttpError(404, 'Not Found');
            versionCheck(at.request.headers['x-github-api-version']);
            const call = {
                forge: this.forge,
                method: where.method,
                path: where.path,
                query: where.query,
                headers: at.request.headers,
                body: jsonOf(at),
                raw: at.raw,
                params: found.params,
                nowMs: nowMs(),
            } as Call;
            const moved = this.authorize(call, found.route);
            return moved ?? (await found.route.handle(call));
        } catch (error) {
            if (error instanceof HttpError) return errorReply(error);
            console.error('forge-sim: handler failed:', error);
            return { status: 500, body: { message: 'Server Error' } };
        }
    }

    private authorize(call: Call, route: Route): Reply | undefined {
        const { auth, world } = this.forge;
        const header = call.headers.authorization;
        if (route.auth === 'app') auth.appCheck(header, world.app, call.nowMs);
        if (route.auth === 'token') call.token = auth.tokenOf(header, call.nowMs);
        if (!route.template.startsWith('/repos/:owner/:repo')) return undefined;
        const name = `${call.params['owner']}/${call.params['repo']}`;
        const repo = world.repo(name);
        if (route.auth === 'token') accessCheck(call, route, repo.id);
        if (fullName(repo).toLowerCase() !== name.toLowerCase()) return this.movedTo(call, repo.id);
        call.repo = repo;
        return undefined;
    }

    private movedTo(call: Call, id: number): Reply {
        const rest = call.path.split('/').slice(4).join('/');
        const query = call.query.size > 0 ? '?' + call.query.toString() : '';
        const url = `${this.forge.origin.api}/repositories/${id}${rest === '' ? '' : '/' + rest}${query}`;
        const body = { message: 'Moved Permanently', url, documentation_url: documentation };
        return { status: call.method === 'GET' ? 301 : 307, body, headers: { location: url } };
    }

    private send(at: Raw, caller: string, reply: Reply, odd?: Fault): void {
        const { request, response } = at;
        const referee = this.forge.referee;
        const text = reply.raw ?? (reply.body === undefined ? '' : JSON.stringify(reply.body));
        const headers: Record<string, string | number> = {
            'server': 'github.com',
            'date': new Date(nowMs()).toUTCString(),
            'x-github-request-id': randomBytes(12).toString('hex').toUpperCase(),
            'x-github-media-type': 'github.v3; format=json',
            'x-github-api-version-selected': String(
                request.headers['x-github-api-version'] ?? '2022-11-28',
            ),
        };
        let limits = this.forge.limits.headers(caller, nowMs());
        if (reply.status !== 204)
            headers['content-type'] = reply.type ?? 'application/json; charset=utf-8';
        if (request.method === 'GET' && reply.status === 200) {
            const tag = 'W/"' + createHash('sha1').update(text).digest('hex') + '"';
            headers['etag'] = tag;
            headers['cache-control'] = 'private, max-age=60, s-maxage=60';
            if (request.headers['if-none-match'] === tag) {
                reply.status = 304;
                referee.notModified++;
            }
        }
        /* A refusal has words of its own about limits; what is odd is odd in both. */
        const own = reply.headers ?? {};
        limits = { ...limits, ...pick(own, true) };
        if (odd) limits = oddHeaders(limits, odd.odd ?? 'missing', nowMs());
        Object.assign(headers, limits, pick(own, false));
        const body = reply.status === 304 || reply.status === 204 ? '' : text;
        if (reply.status !== 304 && reply.status !== 204)
            headers['content-length'] = Buffer.byteLength(body);
        referee.count(referee.statuses, String(reply.status));
        response.writeHead(reply.status, headers);
        response.end(body);
    }

    private noteHeaders(request: http.IncomingMessage): void {
        const referee = this.forge.referee;
        if (!request.headers['user-agent']) referee.missingUserAgent++;
        if (!request.headers['x-github-api-version']) referee.missingVersion++;
        if (!request.headers.accept?.includes('application/vnd.github')) referee.missingAccept++;
    }

    /** Limits are kept per installation; whoever has no token shares one bucket. */
    private callerOf(request: http.IncomingMessage): string {
        const auth = this.forge.auth;
        const token = auth.tokens.get(auth.bearer(request.headers.authorization) ?? '');
        if (!token) return 'app';
        return token.viaApp ? `installation ${token.installation.id}` : 'job';
    }

    /** GHES prefix and addresses by repository id are other spellings of the same thing. */
    private plainPath(path: string): string {
        const plain = path.startsWith('/api/v3/') ? path.slice(7) : path;
        const match = /^\/repositories\/(\d+)(\/.*)?$/.exec(plain);
        const repo = match ? this.forge.world.repos.get(Number(match[1])) : undefined;
        return repo ? `/repos/${fullName(repo)}${match?.[2] ?? ''}` : plain;
    }
}

/** The answer of GET /rate_limit as odd as the headers. */
function oddQuota(body: unknown, fault: Fault): unknown {
    const resources = isObject(body) && isObject(body['resources']) ? body['resources'] : {};
    const core = isObject(resources['core']) ? resources['core'] : {};
    const named = Object.entries(core).map(([key, value]) => [`x-ratelimit-${key}`, String(value)]);
    const odd = oddHeaders(
        Object.fromEntries(named) as Record<string, string>,
        fault.odd ?? 'missing',
        nowMs(),
    );
    const back = Object.entries(odd).map(([key, value]) => [
        key.replace('x-ratelimit-', ''),
        Number(value),
    ]);
    return {
        resources: { ...resources, core: Object.fromEntries(back) as Record<string, number> },
    };
}

function pick(headers: Record<string, string>, isLimit: boolean): Record<string, string> {
    const entries = Object.entries(headers);
    return Object.fromEntries(
        entries.filter(([key]) => key.startsWith('x-ratelimit-') === isLimit),
    );
}

function versionCheck(version: string | string[] | undefined): void {
    if (!version || api_versions.includes(String(version))) return;
    throw new HttpError(
        400,
        `"${String(version)}" is not a supported version. See the documentation for more information.`,
    );
}

function accessCheck(call: Call, route: Route, repositoryId: number): void {
    const token = call.token;
    const isInside =
        token.installation.repositoryIds.has(repositoryId) &&
        (token.repositoryIds === null || token.repositoryIds.has(repositoryId));
    if (!isInside) throw new HttpError(404, 'Not Found');
    if (!route.needs) return;
    const alternatives = route.needs.split(' or ');
    const isAllowed = alternatives.some((need) => {
        const [name = '', level = 'read'] = need.split(':');
        const has = token.permissions[name];
        return has === 'admin' || has === 'write' || (has === 'read' && level === 'read');
    });
    if (isAllowed) return;
    throw new HttpError(403, 'Resource not accessible by integration', undefined, {
        'x-accepted-github-permissions': alternatives
            .map((need) => need.replace(':', '='))
            .join('; '),
    });
}

function jsonOf(at: Raw): unknown {
    if (at.raw.length === 0) return undefined;
    const type = at.request.headers['content-type'] ?? '';
    if (type.includes('x-www-form-urlencoded'))
        return Object.fromEntries(new URLSearchParams(at.raw.toString('utf8')));
    try {
        return JSON.parse(at.raw.toString('utf8')) as unknown;
    } catch {
        throw new HttpError(400, 'Problems parsing JSON');
    }
}

function refusalReply(refusal: Refusal): Reply {
    return {
        status: refusal.status,
        headers: refusal.headers,
        body: {
            message: refusal.message,
            status: String(refusal.status),
            documentation_url:
                'https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api',
        },
    };
}

function errorReply(error: HttpError): Reply {
    return {
        status: error.status,
        headers: error.headers,
        body: {
            message: error.message,
            ...(error.errors ? { errors: error.errors } : {}),
            documentation_url: documentation,
            status: String(error.status),
        },
    };
}
