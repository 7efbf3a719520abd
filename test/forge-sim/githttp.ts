import { spawn } from 'node:child_process';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createGunzip } from 'node:zlib';
import type { Forge } from './forge.ts';
import type { Repo } from './model.ts';
import { HttpError, notFound, nowMs } from './util.ts';

const services: Record<string, { needs: string }> = {
    'git-upload-pack': { needs: 'contents:read' },
    'git-receive-pack': { needs: 'contents:write' },
};

interface Wanted {
    repo: Repo;
    service: string;
    isAdvertisement: boolean;
}

/** `/owner/name.git/…` is git's own protocol: clone, fetch and push with a token as the password. */
export function isGitPath(path: string): boolean {
    return /^\/[^/]+\/[^/]+\.git\/(info\/refs|git-(upload|receive)-pack)$/.test(path);
}

export async function gitServe(
    forge: Forge,
    request: IncomingMessage,
    response: ServerResponse,
): Promise<void> {
    try {
        const wanted = wantedOf(forge, request);
        permit(forge, request, wanted);
        if (wanted.isAdvertisement) advertise(wanted, response);
        else await exchange(forge, wanted, request, response);
    } catch (error) {
        const status = error instanceof HttpError ? error.status : 500;
        const headers: Record<string, string> =
            status === 401 ? { 'www-authenticate': 'Basic realm="GitHub"' } : {};
        request.resume();
        response.writeHead(status, { 'content-type': 'text/plain', ...headers });
        response.end(error instanceof HttpError ? error.message : 'Server Error');
    }
}

function wantedOf(forge: Forge, request: IncomingMessage): Wanted {
    const url = new URL(request.url ?? '/', 'http://127.0.0.1');
    const [, owner = '', file = '', ...rest] = url.pathname.split('/');
    const isAdvertisement = rest[0] === 'info';
    const service = isAdvertisement ? (url.searchParams.get('service') ?? '') : (rest[0] ?? '');
    if (!services[service]) throw new HttpError(403, 'Please upgrade your git client.');
    return {
        repo: forge.world.repo(`${owner}/${file.replace(/\.git$/, '')}`),
        service,
        isAdvertisement,
    };
}

/** As on GitHub: any user name, the token as the password. */
function permit(forge: Forge, request: IncomingMessage, wanted: Wanted): void {
    const basic = /^basic (\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    const password = Buffer.from(basic ?? '', 'base64')
        .toString('utf8')
        .replace(/^[^:]*:/, '');
    const header = basic === undefined ? request.headers.authorization : `Bearer ${password}`;
    const token = forge.auth.tokenOf(header, nowMs());
    const isInside =
        token.installation.repositoryIds.has(wanted.repo.id) &&
        (token.repositoryIds === null || token.repositoryIds.has(wanted.repo.id));
    if (!isInside) throw notFound();
    const needs = services[wanted.service]?.needs;
    if (needs === 'contents:write' && token.permissions['contents'] !== 'write')
        throw new HttpError(403, 'Write access to repository not granted.');
}

function git(wanted: Wanted, ...flags: string[]) {
    const argv = [
        wanted.service.replace(/^git-/, ''),
        '--stateless-rpc',
        ...flags,
        wanted.repo.git.dir,
    ];
    return spawn('git', argv, { stdio: ['pipe', 'pipe', 'inherit'] });
}

function advertise(wanted: Wanted, response: ServerResponse): void {
    const line = `# service=${wanted.service}\n`;
    const size = (line.length + 4).toString(16).padStart(4, '0');
    response.writeHead(200, {
        'content-type': `application/x-${wanted.service}-advertisement`,
        'cache-control': 'no-cache',
    });
    response.write(`${size}${line}0000`);
    const child = git(wanted, '--http-backend-info-refs');
    child.stdin.end();
    child.stdout.pipe(response);
}

async function exchange(
    forge: Forge,
    wanted: Wanted,
    request: IncomingMessage,
    response: ServerResponse,
): Promise<void> {
    const child = git(wanted);
    const input =
        request.headers['content-encoding'] === 'gzip' ? request.pipe(createGunzip()) : request;
    input.pipe(child.stdin);
    child.stdin.on('error', () => {
        /* git had enough; its exit decides */
    });
    response.writeHead(200, {
        'content-type': `application/x-${wanted.service}-result`,
        'cache-control': 'no-cache',
    });
    child.stdout.pipe(response, { end: false });
    await new Promise((done) => child.on('close', done));
    if (wanted.service === 'git-receive-pack') await pushed(forge, wanted.repo);
    response.end();
}

/** Tells the world about the branches that a push moved. */
async function pushed(forge: Forge, repo: Repo): Promise<void> {
    const before = repo.git.refs;
    await repo.git.refresh();
    for (const [ref, sha] of repo.git.refs) {
        if (!ref.startsWith('refs/heads/') || before.get(ref) === sha) continue;
        await forge.people.moved(
            repo,
            ref.slice(11),
            before.get(ref),
            sha,
            forge.people.sender(undefined),
            false,
        );
    }
}
