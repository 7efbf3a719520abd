/*
 * As little of GitHub as a dispatch needs, and nothing that costs time: it notes when each dispatch arrived. A process of its own.
 * Arguments: how long a dispatch takes (ms), the address for webhooks or "-". Prints its port. Control: GET /_dispatches, POST /_hold?ms=.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { workflow } from '../e2e/graph.ts';

let dispatch_ms = Number(process.argv[2] ?? 0);
let arrived: { repo: string; at_ms: number }[] = [];
let runs = 900_000_000;
const now_ms = () => performance.timeOrigin + performance.now();

/** As an Enterprise Server may be set up: what is measured here is no reason to hold. */
const quota = () => ({
    'x-ratelimit-limit': 1_000_000,
    'x-ratelimit-remaining': 1_000_000,
    'x-ratelimit-reset': Math.floor(Date.now() / 1000) + 3_600,
    'x-ratelimit-resource': 'core',
});

function say(response: ServerResponse, status: number, body?: object): void {
    const text = body === undefined ? '' : JSON.stringify(body);
    response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), ...quota() }).end(text);
}

function answer(request: IncomingMessage, response: ServerResponse): void {
    const url = request.url ?? '';
    if (url === '/_dispatches') return say(response, 200, arrived);
    if (url.startsWith('/_forget')) {
        arrived = [];
        dispatch_ms = Number(url.split('=')[1] ?? 0);
        return say(response, 200, {});
    }
    if (url.endsWith('/access_tokens')) return say(response, 201, { token: 'ghs_bench', expires_at: new Date(Date.now() + 3_600_000).toISOString() });
    if (url.endsWith('/dispatches')) {
        arrived.push({ repo: url.split('/')[3] ?? '', at_ms: now_ms() });
        const id = ++runs;
        setTimeout(() => say(response, 200, { workflow_run_id: id, html_url: `http://127.0.0.1/runs/${id}` }), dispatch_ms);
        return;
    }
    if (url.includes('/contents/')) return say(response, 200, { type: 'file', sha: 'b10b', encoding: 'base64', content: Buffer.from(workflow('plan')).toString('base64') });
    if (request.method === 'GET') return say(response, 200, []);
    return say(response, 201, { id: ++runs, html_url: 'http://127.0.0.1/' });
}

if (import.meta.main) {
    const server = createServer((request, response) => {
        request.resume();
        request.on('end', () => answer(request, response));
    });
    server.listen(0, '127.0.0.1', () => console.log((server.address() as { port: number }).port));
}
