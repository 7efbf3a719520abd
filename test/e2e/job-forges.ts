/*
 * Where jobs clone from: a real sshd, and git over https behind a private authority. Both on 127.0.0.1, on free ports, until they are closed.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer as httpsServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect, createServer, type AddressInfo } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { until } from './job-rig.ts';

export async function freePort(): Promise<number> {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as AddressInfo;
    await new Promise((done) => server.close(done));
    return port;
}

const sshdPath = ['/usr/sbin/sshd', '/usr/local/sbin/sshd'].find((path) => existsSync(path));
export const noSshd =
    sshdPath === undefined ? 'no sshd: ./dev setup installs openssh-server' : false;

export function keyPair(path: string, comment = 'job'): { key: string; pub: string } {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', path]);
    return { key: readFileSync(path, 'utf8'), pub: readFileSync(`${path}.pub`, 'utf8').trim() };
}

/** The user that the tests run as may log in, with one key, to git and nothing else. */
export class Sshd {
    readonly dir: string;
    readonly port: number;
    readonly hostPub: string;
    readonly user = userInfo().username;
    private readonly child: ChildProcess;

    private constructor(dir: string, port: number, authorized: string) {
        this.dir = dir;
        this.port = port;
        mkdirSync(dir, { recursive: true });
        this.hostPub = keyPair(join(dir, 'host'), 'host').pub.split(' ').slice(0, 2).join(' ');
        writeFileSync(
            join(dir, 'authorized'),
            `restrict,command="git-shell -c \\"$SSH_ORIGINAL_COMMAND\\"" ${authorized}\n`,
        );
        const config = [
            `ListenAddress 127.0.0.1:${port}`,
            `HostKey ${dir}/host`,
            `AuthorizedKeysFile ${dir}/authorized`,
            `PidFile ${dir}/pid`,
            'UsePAM no',
            'StrictModes no',
            'PasswordAuthentication no',
            'KbdInteractiveAuthentication no',
            'PermitRootLogin prohibit-password',
            'MaxStartups 100',
        ];
        writeFileSync(join(dir, 'config'), `${config.join('\n')}\n`);
        /* What Debian's service makes before it starts sshd. */
        if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
        this.child = spawn(sshdPath!, ['-D', '-e', '-f', join(dir, 'config')], {
            stdio: ['ignore', 'ignore', 'ignore'],
        });
    }

    static async open(dir: string, authorized: string): Promise<Sshd> {
        const sshd = new Sshd(dir, await freePort(), authorized);
        const answers = () =>
            new Promise<boolean>((done) => {
                const socket = connect(sshd.port, '127.0.0.1');
                socket
                    .on('data', () => (socket.destroy(), done(true)))
                    .on('error', () => done(false));
            });
        await until('sshd', answers);
        return sshd;
    }

    url(repo: string): string {
        return `ssh://${this.user}@127.0.0.1:${this.port}${repo}`;
    }
    get knownHosts(): string {
        return `[127.0.0.1]:${this.port} ${this.hostPub}`;
    }
    get fingerprint(): string {
        return execFileSync('ssh-keygen', ['-lf', join(this.dir, 'host.pub')], {
            encoding: 'utf8',
        }).split(' ')[1]!;
    }

    async close(): Promise<void> {
        const gone = new Promise((done) => this.child.once('exit', done));
        if (this.child.exitCode === null && this.child.signalCode === null) {
            this.child.kill('SIGTERM');
            await gone;
        }
    }
}

// ---- https ----

export type Answer = (ask: IncomingMessage, answer: ServerResponse) => boolean | Promise<boolean>;

/** git http-backend; a token is asked for, any user name is taken with it. */
export class GitHttps {
    readonly root: string;
    readonly token: string;
    readonly server: Server;
    port = 0;
    /** Looked at first: true when it has answered itself. */
    first: Answer = () => false;
    /** Authorization headers that came, in order. */
    readonly heard: string[] = [];
    asked = 0;

    private constructor(root: string, token: string, tls: { key: string; cert: string }) {
        this.root = root;
        this.token = token;
        this.server = httpsServer(tls, (ask, answer) => void this.serve(ask, answer));
    }

    static async open(
        root: string,
        token: string,
        tls: { key: string; cert: string },
    ): Promise<GitHttps> {
        const forge = new GitHttps(root, token, tls);
        await new Promise<void>((done) => forge.server.listen(0, '127.0.0.1', done));
        forge.port = (forge.server.address() as AddressInfo).port;
        return forge;
    }

    url(name: string): string {
        return `https://127.0.0.1:${this.port}/${name}`;
    }

    private async serve(ask: IncomingMessage, answer: ServerResponse): Promise<void> {
        this.asked++;
        const authorization = ask.headers.authorization ?? '';
        if (authorization !== '') this.heard.push(authorization);
        if (await this.first(ask, answer)) return;
        const given = Buffer.from(authorization.replace(/^Basic /, ''), 'base64')
            .toString()
            .replace(/^[^:]*:/, '');
        if (given !== this.token) {
            ask.resume();
            answer.writeHead(401, { 'www-authenticate': 'Basic realm="tests"' }).end();
            return;
        }
        this.backend(ask, answer);
    }

    private backend(ask: IncomingMessage, answer: ServerResponse): void {
        const url = new URL(ask.url ?? '/', 'https://127.0.0.1');
        const env = {
            ...process.env,
            GIT_CONFIG_GLOBAL: '/dev/null',
            GIT_CONFIG_COUNT: '1',
            GIT_CONFIG_KEY_0: 'safe.directory',
            GIT_CONFIG_VALUE_0: '*',
            GIT_PROJECT_ROOT: this.root,
            GIT_HTTP_EXPORT_ALL: '1',
            PATH_INFO: url.pathname,
            QUERY_STRING: url.search.slice(1),
            REQUEST_METHOD: ask.method,
            CONTENT_TYPE: ask.headers['content-type'] ?? '',
            HTTP_CONTENT_ENCODING: ask.headers['content-encoding'] ?? '',
            HTTP_GIT_PROTOCOL: String(ask.headers['git-protocol'] ?? ''),
            REMOTE_USER: 'tests',
        };
        const child = spawn('git', ['http-backend'], { env, stdio: ['pipe', 'pipe', 'ignore'] });
        child.stdin.on('error', () => undefined);
        ask.pipe(child.stdin);
        const parts: Buffer[] = [];
        child.stdout.on('data', (part: Buffer) => parts.push(part));
        child.on('close', () => {
            const all = Buffer.concat(parts);
            const end = all.indexOf('\r\n\r\n');
            const headers = all
                .subarray(0, end)
                .toString()
                .split('\r\n')
                .map((line) => /^([^:]+): *(.*)$/.exec(line)!.slice(1) as [string, string]);
            const status = Number(
                headers.find(([name]) => name === 'Status')?.[1].slice(0, 3) ?? 200,
            );
            answer.writeHead(
                status,
                Object.fromEntries(headers.filter(([name]) => name !== 'Status')),
            );
            answer.end(all.subarray(end + 4));
        });
    }

    async close(): Promise<void> {
        this.server.closeAllConnections();
        await new Promise((done) => this.server.close(done));
    }
}
