import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Git, folderFiles, isGitFolder, type Files } from './git.ts';
import {
    events_default,
    fullName,
    permissions_default,
    type App,
    type Installation,
    type Permission,
    type Repo,
    type User,
    type WorkflowRow,
} from './model.ts';
import { notFound, nowMs } from './util.ts';
import { workflowParse, type Workflow } from './workflow.ts';

export interface AppConfig {
    id?: number;
    slug?: string;
    privateKeyPem?: string;
    webhookSecret?: string;
    webhookUrl?: string;
    events?: string[];
    permissions?: Record<string, string>;
    owner?: string;
}

export interface RepoOrder {
    owner?: string;
    name: string;
    private?: boolean;
    defaultBranch?: string;
    files?: Files;
    folder?: string;
    installation?: number;
    createdAt?: number;
}

/** Everything the forge knows: accounts, repositories, installations. Moves nothing by itself. */
export class World {
    app: App;
    users: Map<string, User> = new Map();
    repos: Map<number, Repo> = new Map();
    installations: Map<number, Installation> = new Map();
    actionsBot: User = {
        id: 41898282,
        login: 'github-actions[bot]',
        type: 'Bot',
        name: 'github-actions',
    };
    manifests: Map<string, { app: App; at: number }> = new Map();
    /** owner/name in lower case, renamed ones too → repository id */
    names: Map<string, number> = new Map();
    private forks: Map<string, Repo> = new Map();
    private dir: string;
    private ids: Map<string, number> = new Map();
    private parsed: Map<string, Workflow | null> = new Map();

    constructor(dir: string, config: AppConfig) {
        this.dir = dir;
        mkdirSync(join(dir, 'repos'), { recursive: true });
        this.app = this.appMake(config);
    }

    id(kind: string, start: number): number {
        const next = this.ids.get(kind) ?? start;
        this.ids.set(kind, next + 1);
        return next;
    }

    user(login: string, type: User['type'] = 'User'): User {
        const known = this.users.get(login.toLowerCase());
        if (known) return known;
        const made = { id: this.id('user', 5_000_001), login, type, name: login };
        this.users.set(login.toLowerCase(), made);
        return made;
    }

    renameUser(login: string, to: string): User {
        const user = this.user(login);
        const from = login.toLowerCase();
        this.users.delete(from);
        user.login = to;
        this.users.set(to.toLowerCase(), user);
        for (const repo of this.repos.values()) {
            const had = repo.permissions.get(from);
            repo.permissions.delete(from);
            if (had) repo.permissions.set(to.toLowerCase(), had);
        }
        return user;
    }

    appMake(config: AppConfig): App {
        const id = config.id ?? this.id('app', 424_242);
        const slug = config.slug ?? 'signalbox-test';
        const pem =
            config.privateKeyPem ??
            String(
                generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
                    type: 'pkcs1',
                    format: 'pem',
                }),
            );
        const owner = this.user(config.owner ?? 'acme', 'Organization');
        return {
            id,
            slug,
            name: slug,
            clientId: `Iv23li${id}`,
            clientSecret: randomBytes(20).toString('hex'),
            owner,
            privateKeyPem: pem,
            publicKeyPem: String(createPublicKey(pem).export({ type: 'spki', format: 'pem' })),
            webhookSecret: config.webhookSecret ?? randomBytes(16).toString('hex'),
            webhookUrl: config.webhookUrl ?? null,
            contentType: 'json',
            insecureSsl: '0',
            hookId: this.id('hook', 512_000_001),
            createdAt: nowMs(),
            permissions: config.permissions ?? { ...permissions_default },
            events: config.events ?? [...events_default],
            bot: this.user(`${slug}[bot]`, 'Bot'),
            externalUrl: 'http://127.0.0.1/',
        };
    }

    installationOf(account: User): Installation {
        for (const one of this.installations.values()) {
            if (one.account === account && !one.deleted) return one;
        }
        const made: Installation = {
            id: this.id('installation', 61_000_001),
            account,
            repositoryIds: new Set(),
            suspendedAt: null,
            deleted: false,
            createdAt: nowMs(),
            permissions: { ...this.app.permissions },
            events: [...this.app.events],
        };
        this.installations.set(made.id, made);
        return made;
    }

    installationFor(repo: Repo): Installation | undefined {
        for (const one of this.installations.values()) {
            if (!one.deleted && one.repositoryIds.has(repo.id)) return one;
        }
        return undefined;
    }

    async createRepo(order: RepoOrder): Promise<Repo> {
        const owner = this.user(order.owner ?? 'acme', 'Organization');
        const id = this.id('repo', 712_000_001);
        const now = nowMs();
        const defaultBranch = order.defaultBranch ?? 'main';
        const git = await Git.create(join(this.dir, 'repos', `${id}.git`), defaultBranch);
        const repo: Repo = {
            id,
            name: order.name,
            owner,
            isPrivate: order.private ?? true,
            defaultBranch,
            archived: false,
            isFork: false,
            createdAt: order.createdAt ?? now,
            pushedAt: now,
            updatedAt: now,
            git,
            permissions: new Map(),
            environments: new Map(),
            pulls: new Map(),
            numberNext: 1,
            mergeableDelayMs: 0,
            comments: new Map(),
            suites: new Map(),
            checkRuns: new Map(),
            statuses: [],
            workflows: new Map(),
            runs: new Map(),
            releases: new Map(),
            mergeGroups: new Map(),
        };
        if (order.folder && isGitFolder(order.folder)) await git.importRepository(order.folder);
        else if (order.folder) await this.seed(repo, folderFiles(order.folder));
        else if (order.files) await this.seed(repo, order.files);
        this.repos.set(id, repo);
        this.names.set(fullName(repo).toLowerCase(), id);
        if (order.installation !== -1) this.installationOf(owner).repositoryIds.add(id);
        return repo;
    }

    /** Somebody's fork. Its commits live in the same folder, under refs/forks/. */
    forkOf(repo: Repo, login: string): Repo {
        const key = `${repo.id}:${login}`;
        const known = this.forks.get(key);
        if (known) return known;
        const made = {
            ...repo,
            id: this.id('repo', 712_000_001),
            owner: this.user(login),
            isFork: true,
        };
        this.forks.set(key, made);
        return made;
    }

    rename(repo: Repo, name: string): void {
        repo.name = name;
        this.names.set(fullName(repo).toLowerCase(), repo.id);
    }

    /** By id or by any name it has or had. */
    repo(idOrName: number | string): Repo {
        const isNumber = typeof idOrName === 'number' || /^\d+$/.test(idOrName);
        const id = isNumber ? Number(idOrName) : this.names.get(String(idOrName).toLowerCase());
        const repo = this.repos.get(id ?? -1);
        if (!repo) throw notFound();
        return repo;
    }

    permissionOf(repo: Repo, login: string): Permission {
        return repo.permissions.get(login.toLowerCase()) ?? 'none';
    }

    workflowRow(repo: Repo, path: string): WorkflowRow {
        let row = repo.workflows.get(path);
        if (!row) {
            row = {
                id: this.id('workflow', 150_000_001),
                path,
                createdAt: nowMs(),
                runNumberNext: 1,
                disabled: false,
            };
            repo.workflows.set(path, row);
        }
        return row;
    }

    /** Parsed once per commit; undefined when the file is not there. */
    async workflow(repo: Repo, path: string, sha: string): Promise<Workflow | undefined> {
        const key = `${repo.id}:${sha}:${path}`;
        const cached = this.parsed.get(key);
        if (cached !== undefined) return cached ?? undefined;
        const found = await repo.git.object(`${sha}:${path}`);
        const parsed =
            found?.type === 'blob' ? workflowParse(path, found.data.toString('utf8')) : null;
        this.parsed.set(key, parsed);
        return parsed ?? undefined;
    }

    close(): void {
        for (const repo of this.repos.values()) repo.git.close();
        rmSync(this.dir, { recursive: true, force: true });
    }

    private async seed(repo: Repo, files: Files): Promise<void> {
        await repo.git.commitFiles(
            `refs/heads/${repo.defaultBranch}`,
            files,
            'Initial commit',
            undefined,
            nowMs(),
            undefined,
        );
    }
}
