import { spawn, execFile, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';

export interface Person {
    name: string;
    email: string;
    date: string;
}
export interface Commit {
    sha: string;
    tree: string;
    parents: string[];
    author: Person;
    committer: Person;
    message: string;
}
export interface Found {
    oid: string;
    type: string;
    data: Buffer;
}
export interface DiffStat {
    additions: number;
    deletions: number;
    files: string[];
    commits: number;
}
export type Files = Record<string, string | null>;

const environment = {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    HOME: '/nonexistent',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_NAME: 'Octo Cat',
    GIT_AUTHOR_EMAIL: 'octocat@example.test',
    GIT_COMMITTER_NAME: 'Octo Cat',
    GIT_COMMITTER_EMAIL: 'octocat@example.test',
    LC_ALL: 'C',
    TZ: 'UTC',
};

function git(dir: string, args: string[], input?: string | Buffer): Promise<string> {
    return new Promise((done, failed) => {
        const argv = ['--git-dir', dir, ...args];
        const child = execFile(
            'git',
            argv,
            { env: environment, maxBuffer: 256 << 20 },
            (error, out, err) => {
                if (error)
                    failed(new Error(`git ${args[0]} failed in ${dir}: ${err || error.message}`));
                else done(out);
            },
        );
        child.stdin?.on('error', () => {
            /* git ended early; the exit code tells why */
        });
        child.stdin?.end(input ?? '');
    });
}

/**
 * One bare repository, driven by the git program. Reads go through one long-lived
 * `cat-file --batch` and a cache keyed by commit, so that a dispatch starts no process.
 */
export class Git {
    dir: string;
    refs: Map<string, string> = new Map();
    private found: Map<string, Found | null> = new Map();
    private commits: Map<string, Commit> = new Map();
    private stats: Map<string, DiffStat> = new Map();
    private reader: ChildProcessWithoutNullStreams | undefined;
    private waiting: { name: string; done: (found: Found | null) => void }[] = [];
    private buffer: Buffer = Buffer.alloc(0);

    constructor(dir: string) {
        this.dir = dir;
    }

    static async create(dir: string, defaultBranch: string): Promise<Git> {
        await new Promise<void>((done, failed) => {
            execFile(
                'git',
                ['init', '-q', '--bare', '-b', defaultBranch, dir],
                { env: environment },
                (error) => (error ? failed(error) : done()),
            );
        });
        const made = new Git(dir);
        await git(dir, ['config', 'uploadpack.allowAnySHA1InWant', 'true']);
        await git(dir, ['config', 'http.receivepack', 'true']);
        return made;
    }

    /** Takes over all refs of an existing repository (its folder or its .git). */
    async importRepository(source: string): Promise<void> {
        await git(this.dir, [
            'fetch',
            '-q',
            source,
            '+refs/heads/*:refs/heads/*',
            '+refs/tags/*:refs/tags/*',
        ]);
        await this.refresh();
    }

    /** Refs are kept in memory; call this after somebody else wrote to the folder. */
    async refresh(): Promise<void> {
        const out = await git(this.dir, [
            'for-each-ref',
            '--format=%(refname) %(objectname) %(*objectname)',
        ]);
        this.refs = new Map();
        for (const line of out.split('\n')) {
            const [name, sha, peeled] = line.split(' ');
            if (name && sha) this.refs.set(name, peeled || sha);
        }
    }

    branch(name: string): string | undefined {
        return this.refs.get('refs/heads/' + name);
    }

    /** A branch, a tag, a full ref or a commit id, in this order. */
    resolve(ref: string): string | undefined {
        return (
            this.refs.get('refs/heads/' + ref) ??
            this.refs.get('refs/tags/' + ref) ??
            this.refs.get(ref) ??
            this.refs.get('refs/' + ref) ??
            (/^[0-9a-f]{40}$/.test(ref) ? ref : undefined)
        );
    }

    async setRef(name: string, sha: string): Promise<void> {
        await git(this.dir, ['update-ref', name, sha]);
        this.refs.set(name, sha);
    }

    async deleteRef(name: string): Promise<void> {
        await git(this.dir, ['update-ref', '-d', name]);
        this.refs.delete(name);
    }

    async object(name: string): Promise<Found | null> {
        const cached = this.found.get(name);
        if (cached !== undefined) return cached;
        const found = await new Promise<Found | null>((done) => {
            this.waiting.push({ name, done });
            this.openReader().stdin.write(name + '\n');
        });
        if (/^[0-9a-f]{40}/.test(name) && (found || name.includes(':')))
            this.found.set(name, found);
        return found;
    }

    async commit(sha: string): Promise<Commit | undefined> {
        const cached = this.commits.get(sha);
        if (cached) return cached;
        const found = await this.object(sha);
        if (!found || found.type !== 'commit') return undefined;
        const commit = commitParse(sha, found.data.toString('utf8'));
        this.commits.set(sha, commit);
        return commit;
    }

    async list(
        sha: string,
        folder: string,
    ): Promise<{ mode: string; type: string; oid: string; path: string }[]> {
        const out = await git(
            this.dir,
            ['ls-tree', '-z', sha, folder === '' ? '' : folder + '/'].filter((a) => a !== ''),
        );
        return out
            .split('\0')
            .filter((line) => line !== '')
            .map((line) => {
                const [meta = '', path = ''] = line.split('\t');
                const [mode = '', type = '', oid = ''] = meta.split(' ');
                return { mode, type, oid, path };
            });
    }

    /** One commit on `ref`; null content deletes the file. Returns the new commit id. */
    async commitFiles(
        ref: string,
        files: Files,
        message: string,
        parent: string | undefined,
        atMs: number,
        author: Person | undefined,
    ): Promise<string> {
        const who = author ?? { name: 'Octo Cat', email: 'octocat@example.test', date: '' };
        const stamp = `${who.name} <${who.email}> ${Math.floor(atMs / 1000)} +0000`;
        const scratch = 'refs/forge-sim/import';
        const parts: Buffer[] = [];
        const put = (text: string) => parts.push(Buffer.from(text));
        put(`commit ${scratch}\nauthor ${stamp}\ncommitter ${stamp}\n`);
        put(`data ${Buffer.byteLength(message)}\n${message}\n`);
        if (parent) put(`from ${parent}\n`);
        for (const [path, content] of Object.entries(files)) {
            const name = /[\n"\\]/.test(path) ? JSON.stringify(path) : path;
            if (content === null) put(`D ${name}\n`);
            else put(`M 100644 inline ${name}\ndata ${Buffer.byteLength(content)}\n${content}\n`);
        }
        put('\ndone\n');
        if (!parent && this.refs.has(scratch)) await this.deleteRef(scratch);
        await git(this.dir, ['update-ref', '-d', scratch]);
        await git(this.dir, ['fast-import', '--quiet', '--force', '--done'], Buffer.concat(parts));
        const sha = (await git(this.dir, ['rev-parse', scratch])).trim();
        await git(this.dir, ['update-ref', '-d', scratch]);
        await this.setRef(ref, sha);
        return sha;
    }

    /** The merge commit of two commits, or undefined when they conflict. Sets no ref. */
    async mergeCommit(base: string, head: string, message: string): Promise<string | undefined> {
        try {
            const out = await git(this.dir, ['merge-tree', '--write-tree', base, head]);
            const tree = out.split('\n')[0] ?? '';
            const argv = ['commit-tree', tree, '-p', base, '-p', head, '-m', message];
            return (await git(this.dir, argv)).trim();
        } catch {
            return undefined;
        }
    }

    async squashCommit(base: string, head: string, message: string): Promise<string | undefined> {
        const merged = await this.mergeCommit(base, head, message);
        if (!merged) return undefined;
        const commit = await this.commit(merged);
        return (
            await git(this.dir, ['commit-tree', commit?.tree ?? '', '-p', base, '-m', message])
        ).trim();
    }

    async mergeBase(left: string, right: string): Promise<string | undefined> {
        try {
            return (await git(this.dir, ['merge-base', left, right])).trim();
        } catch {
            return undefined;
        }
    }

    async isAncestor(old: string, next: string): Promise<boolean> {
        return (await this.mergeBase(old, next)) === old;
    }

    async diffStat(base: string, head: string): Promise<DiffStat> {
        const key = `${base}...${head}`;
        const cached = this.stats.get(key);
        if (cached) return cached;
        const out = await git(this.dir, ['diff', '--numstat', '-z', '--no-renames', key]);
        const stat: DiffStat = { additions: 0, deletions: 0, files: [], commits: 0 };
        for (const line of out.split('\0').filter((text) => text !== '')) {
            const [add = '0', remove = '0', path = ''] = line.split('\t');
            stat.additions += Number(add) || 0;
            stat.deletions += Number(remove) || 0;
            stat.files.push(path);
        }
        stat.commits = Number(
            (await git(this.dir, ['rev-list', '--count', `${base}..${head}`])).trim(),
        );
        this.stats.set(key, stat);
        return stat;
    }

    close(): void {
        this.reader?.stdin.end();
        this.reader = undefined;
    }

    private openReader(): ChildProcessWithoutNullStreams {
        if (this.reader) return this.reader;
        const child = spawn('git', ['--git-dir', this.dir, 'cat-file', '--batch'], {
            env: environment,
        });
        child.stdout.on('data', (chunk: Buffer) => this.take(chunk));
        child.stdin.on('error', () => {
            /* the close handler answers whoever waits */
        });
        child.on('close', () => {
            if (this.reader === child) this.reader = undefined;
            for (const wait of this.waiting.splice(0)) wait.done(null);
        });
        this.reader = child;
        return child;
    }

    private take(chunk: Buffer): void {
        this.buffer = this.buffer.length === 0 ? chunk : Buffer.concat([this.buffer, chunk]);
        for (;;) {
            const end = this.buffer.indexOf(10);
            if (end < 0 || this.waiting.length === 0) return;
            const line = this.buffer.subarray(0, end).toString('utf8');
            const head = /^([0-9a-f]{40}) (\w+) (\d+)$/.exec(line);
            if (!head) {
                this.buffer = this.buffer.subarray(end + 1);
                this.waiting.shift()?.done(null);
                continue;
            }
            const size = Number(head[3]);
            if (this.buffer.length < end + 1 + size + 1) return;
            const data = Buffer.from(this.buffer.subarray(end + 1, end + 1 + size));
            this.buffer = this.buffer.subarray(end + 1 + size + 1);
            this.waiting.shift()?.done({ oid: head[1] ?? '', type: head[2] ?? '', data });
        }
    }
}

function personParse(text: string): Person {
    const match = /^(.*) <(.*)> (\d+) [+-]\d{4}$/.exec(text);
    const seconds = Number(match?.[3] ?? 0);
    return {
        name: match?.[1] ?? '',
        email: match?.[2] ?? '',
        date: new Date(seconds * 1000).toISOString().slice(0, 19) + 'Z',
    };
}

function commitParse(sha: string, text: string): Commit {
    const cut = text.indexOf('\n\n');
    const nobody = { name: '', email: '', date: '1970-01-01T00:00:00Z' };
    const commit: Commit = {
        sha,
        tree: '',
        parents: [],
        author: nobody,
        committer: nobody,
        message: text.slice(cut + 2).replace(/\n$/, ''),
    };
    for (const line of text.slice(0, cut).split('\n')) {
        const space = line.indexOf(' ');
        const value = line.slice(space + 1);
        switch (line.slice(0, space)) {
            case 'tree':
                commit.tree = value;
                break;
            case 'parent':
                commit.parents.push(value);
                break;
            case 'author':
                commit.author = personParse(value);
                break;
            case 'committer':
                commit.committer = personParse(value);
                break;
        }
    }
    return commit;
}

/** All files of a plain folder, as a map for commitFiles. */
export function folderFiles(root: string): Files {
    const files: Files = {};
    const walk = (dir: string) => {
        for (const name of readdirSync(dir)) {
            const path = join(dir, name);
            if (name === '.git') continue;
            if (statSync(path).isDirectory()) walk(path);
            else files[relative(root, path)] = readFileSync(path, 'utf8');
        }
    };
    walk(root);
    return files;
}

export function isGitFolder(path: string): boolean {
    return existsSync(join(path, '.git')) || existsSync(join(path, 'HEAD'));
}
