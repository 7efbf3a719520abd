import type { IncomingHttpHeaders } from 'node:http';
import type { Token } from './auth.ts';
import type { Repo } from './model.ts';
import type { Forge } from './forge.ts';
import { HttpError, isObject, type Json } from './util.ts';

export interface Call {
    forge: Forge;
    method: string;
    path: string;
    query: URLSearchParams;
    headers: IncomingHttpHeaders;
    body: unknown;
    raw: Buffer;
    params: Record<string, string>;
    nowMs: number;
    /** set on routes that need them; reading them elsewhere is a mistake of the route table */
    repo: Repo;
    token: Token;
}

export interface Reply {
    status: number;
    body?: unknown;
    headers?: Record<string, string>;
    raw?: Buffer | string;
    type?: string;
}

export interface Route {
    method: string;
    template: string;
    auth: 'app' | 'token' | 'none' | 'any';
    /** e.g. `checks:write` */
    needs?: string;
    /** counts against the content-creation limit */
    content?: boolean;
    handle: (call: Call) => Reply | Promise<Reply>;
}

interface Compiled<R> {
    route: R;
    parts: string[];
    hasTail: boolean;
}

/** Matches by method and number of segments; `:x` is one segment, `*x` the rest. */
export class Router<R extends { method: string; template: string }> {
    private byMethod: Map<string, Compiled<R>[]> = new Map();

    add(routes: R[]): void {
        for (const route of routes) {
            const parts = route.template.split('/').filter((part) => part !== '');
            const list = this.byMethod.get(route.method) ?? [];
            list.push({ route, parts, hasTail: parts.some((part) => part.startsWith('*')) });
            this.byMethod.set(route.method, list);
        }
    }

    find(method: string, path: string): { route: R; params: Record<string, string> } | undefined {
        const segments = path.split('/').filter((part) => part !== '');
        for (const one of this.byMethod.get(method) ?? []) {
            const params = paramsOf(one, segments);
            if (params) return { route: one.route, params };
        }
        return undefined;
    }
}

function decoded(text: string): string {
    try {
        return decodeURIComponent(text);
    } catch {
        return text;
    }
}

function paramsOf(one: Compiled<unknown>, segments: string[]): Record<string, string> | undefined {
    const parts = one.parts;
    if (one.hasTail ? segments.length < parts.length : segments.length !== parts.length)
        return undefined;
    const params: Record<string, string> = {};
    let at = 0;
    for (let index = 0; index < parts.length; index++) {
        const part = parts[index] ?? '';
        if (part.startsWith('*')) {
            const rest = parts.length - index - 1;
            const tail = segments.slice(at, segments.length - rest);
            if (tail.length === 0) return undefined;
            params[part.slice(1)] = tail.map(decoded).join('/');
            at = segments.length - rest;
            continue;
        }
        const segment = segments[at++] ?? '';
        if (part.startsWith(':')) params[part.slice(1)] = decoded(segment);
        else if (part !== segment) return undefined;
    }
    return params;
}

export function bodyOf(call: Call): Json {
    if (call.raw.length === 0) return {};
    if (!isObject(call.body)) {
        throw new HttpError(400, 'Problems parsing JSON');
    }
    return call.body;
}

export function idParam(call: Call, name: string): number {
    const text = call.params[name] ?? '';
    if (!/^\d{1,15}$/.test(text)) throw new HttpError(404, 'Not Found');
    return Number(text);
}

export function ok(body: unknown, status = 200): Reply {
    return { status, body };
}

/** One page of a list, with GitHub's Link header. */
export function paged(call: Call, items: unknown[], wrap?: (page: unknown[]) => unknown): Reply {
    const size = Math.min(100, Math.max(1, Number(call.query.get('per_page') ?? 30) || 30));
    const page = Math.max(1, Number(call.query.get('page') ?? 1) || 1);
    const last = Math.max(1, Math.ceil(items.length / size));
    const shown = items.slice((page - 1) * size, page * size);
    const address = (number: number, rel: string) => {
        const query = new URLSearchParams(call.query);
        query.set('page', String(number));
        return `<${call.forge.origin.api}${call.path}?${query.toString()}>; rel="${rel}"`;
    };
    const links: string[] = [];
    if (page > 1) links.push(address(page - 1, 'prev'));
    if (page < last) links.push(address(page + 1, 'next'), address(last, 'last'));
    if (page > 1) links.push(address(1, 'first'));
    const headers: Record<string, string> = links.length > 0 ? { link: links.join(', ') } : {};
    return { status: 200, body: wrap ? wrap(shown) : shown, headers };
}
