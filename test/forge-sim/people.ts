import type { Events } from './events.ts';
import type { Files, Person } from './git.ts';
import type { CheckSuite, Comment, MergeGroup, Pull, Release, Repo, User } from './model.ts';
import type { World } from './world.ts';
import { HttpError, invalid, notFound, type Json, nowMs } from './util.ts';

export const comment_chars_max = 65_536;
const zero_sha = '0'.repeat(40);

export interface PushOrder {
    branch: string;
    files: Files;
    message?: string;
    base?: string;
    sender?: string;
    silent?: boolean;
    author?: Person;
    force?: boolean;
}
export interface PullOrder {
    head: string;
    base?: string;
    title?: string;
    body?: string;
    draft?: boolean;
    sender?: string;
    files?: Files;
    number?: number;
    fork?: string;
    association?: string;
    silent?: boolean;
}
export interface ReleaseOrder {
    tag: string;
    target?: string;
    name?: string;
    body?: string;
    draft?: boolean;
    prerelease?: boolean;
    actions?: string[];
    sender?: string;
}

/** What people do on the forge: push, open, merge, comment, release. Each act sends its webhooks. */
export class People {
    private world: World;
    private events: Events;

    constructor(world: World, events: Events) {
        this.world = world;
        this.events = events;
    }

    sender(login: string | undefined): User {
        return this.world.user(login ?? 'octocat');
    }

    async push(repo: Repo, order: PushOrder): Promise<string> {
        const ref = `refs/heads/${order.branch}`;
        const before = repo.git.branch(order.branch);
        const base =
            order.base === undefined
                ? (before ?? repo.git.branch(repo.defaultBranch))
                : repo.git.resolve(order.base);
        if (order.base !== undefined && !base) throw invalid(`No commit found for ${order.base}`);
        const after = await repo.git.commitFiles(
            ref,
            order.files,
            order.message ?? 'Change files',
            base,
            nowMs(),
            order.author,
        );
        await this.moved(
            repo,
            order.branch,
            before,
            after,
            this.sender(order.sender),
            order.silent ?? false,
        );
        return after;
    }

    /** A branch now points elsewhere: push, check suite, and synchronize of its pull requests. */
    async moved(
        repo: Repo,
        branch: string,
        before: string | undefined,
        after: string,
        sender: User,
        isSilent: boolean,
    ): Promise<void> {
        repo.pushedAt = repo.updatedAt = nowMs();
        const forced = before !== undefined && !(await repo.git.isAncestor(before, after));
        if (!isSilent) {
            await this.events.push(
                repo,
                `refs/heads/${branch}`,
                before ?? zero_sha,
                after,
                sender,
                forced,
            );
            await this.suiteRequested(repo, after, branch, before ?? zero_sha, sender);
        }
        for (const pull of repo.pulls.values()) {
            if (pull.state !== 'open' || pull.headRepo !== repo) continue;
            if (pull.headRef === branch)
                await this.synchronize(repo, pull, after, sender, isSilent);
            else if (pull.baseRef === branch) await this.measure(repo, pull);
        }
    }

    async openPull(repo: Repo, order: PullOrder): Promise<Pull> {
        const sender = this.sender(order.sender);
        const baseRef = order.base ?? repo.defaultBranch;
        const fork = order.fork === undefined ? undefined : this.world.forkOf(repo, order.fork);
        if (fork) await this.pushToFork(repo, fork, order.head, order.files ?? {}, baseRef);
        else if (order.files) {
            await this.push(repo, {
                branch: order.head,
                files: order.files,
                sender: order.sender,
                silent: order.silent,
            });
        }
        const headSha = repo.git.refs.get(headRefOf(fork, order.head));
        const baseSha = repo.git.branch(baseRef);
        if (!headSha || !baseSha)
            throw invalid(`Branch ${headSha ? baseRef : order.head} does not exist`);
        const now = nowMs();
        const number = order.number ?? repo.numberNext;
        repo.numberNext = Math.max(repo.numberNext, number) + 1;
        const pull: Pull = {
            id: this.world.id('issue', 2_900_000_001) * 2,
            number,
            title: order.title ?? `Change ${order.head}`,
            body: order.body ?? '',
            user: sender,
            draft: order.draft ?? false,
            state: 'open',
            merged: false,
            mergedBy: null,
            mergeSha: null,
            headRef: order.head,
            headSha,
            headRepo: fork ?? repo,
            baseRef,
            baseSha,
            createdAt: now,
            updatedAt: now,
            closedAt: null,
            mergedAt: null,
            labels: [],
            additions: 0,
            deletions: 0,
            files: [],
            commits: 0,
            reviews: [],
            locked: false,
            mergeableAt: now + repo.mergeableDelayMs,
            association: order.association ?? 'MEMBER',
        };
        repo.pulls.set(number, pull);
        await this.measure(repo, pull);
        if (!order.silent) this.events.pull('opened', repo, pull, sender);
        return pull;
    }

    pull(repo: Repo, number: number): Pull {
        const pull = repo.pulls.get(number);
        if (!pull) throw notFound();
        return pull;
    }

    async pushToPull(repo: Repo, pull: Pull, order: Omit<PushOrder, 'branch'>): Promise<string> {
        if (!pull.headRepo?.isFork) return this.push(repo, { ...order, branch: pull.headRef });
        const sha = await this.pushToFork(
            repo,
            pull.headRepo,
            pull.headRef,
            order.files,
            pull.baseRef,
        );
        await this.synchronize(repo, pull, sha, this.sender(order.sender), order.silent ?? false);
        return sha;
    }

    async mergePull(
        repo: Repo,
        pull: Pull,
        method: string,
        login: string | undefined,
    ): Promise<string> {
        if (pull.state !== 'open') throw new HttpError(405, 'Pull Request is not mergeable');
        const sender = this.sender(login);
        const before = repo.git.branch(pull.baseRef) ?? zero_sha;
        const message = `Merge pull request #${pull.number} from ${pull.headRef}`;
        const sha =
            method === 'squash'
                ? await repo.git.squashCommit(
                      before,
                      pull.headSha,
                      `${pull.title} (#${pull.number})`,
                  )
                : await repo.git.mergeCommit(before, pull.headSha, message);
        if (!sha) throw new HttpError(405, 'Pull Request is not mergeable');
        await repo.git.setRef(`refs/heads/${pull.baseRef}`, sha);
        const now = nowMs();
        Object.assign(pull, {
            state: 'closed',
            merged: true,
            mergedBy: sender,
            mergeSha: sha,
            mergedAt: now,
            closedAt: now,
            updatedAt: now,
        });
        this.events.pull('closed', repo, pull, sender);
        await this.moved(repo, pull.baseRef, before, sha, sender, false);
        return sha;
    }

    closePull(repo: Repo, pull: Pull, login: string | undefined): void {
        pull.state = 'closed';
        pull.closedAt = pull.updatedAt = nowMs();
        this.events.pull('closed', repo, pull, this.sender(login));
    }

    async reopenPull(repo: Repo, pull: Pull, login: string | undefined): Promise<void> {
        if (pull.merged) throw invalid('A merged pull request cannot be reopened');
        pull.state = 'open';
        pull.closedAt = null;
        pull.updatedAt = nowMs();
        await this.measure(repo, pull);
        this.events.pull('reopened', repo, pull, this.sender(login));
    }

    setDraft(repo: Repo, pull: Pull, isDraft: boolean, login: string | undefined): void {
        pull.draft = isDraft;
        pull.updatedAt = nowMs();
        const action = isDraft ? 'converted_to_draft' : 'ready_for_review';
        this.events.pull(action, repo, pull, this.sender(login));
    }

    label(repo: Repo, pull: Pull, name: string, isAdded: boolean, login: string | undefined): void {
        const known = pull.labels.find((label) => label.name === name);
        const label = known ?? { id: this.world.id('label', 7_000_000_001), name, color: 'ededed' };
        pull.labels = pull.labels.filter((one) => one !== known);
        if (isAdded) pull.labels.push(label);
        pull.updatedAt = nowMs();
        this.events.pull(isAdded ? 'labeled' : 'unlabeled', repo, pull, this.sender(login), {
            label: {
                id: label.id,
                node_id: 'LA_' + label.id,
                name,
                color: label.color,
                default: false,
                description: '',
                url: `${this.events.at.api}/labels/${encodeURIComponent(name)}`,
            },
        });
    }

    async editPull(
        repo: Repo,
        pull: Pull,
        edit: { title?: string; body?: string; base?: string },
        login: string | undefined,
    ): Promise<void> {
        const changes: Json = {};
        if (edit.title !== undefined) {
            changes['title'] = { from: pull.title };
            pull.title = edit.title;
        }
        if (edit.body !== undefined) {
            changes['body'] = { from: pull.body };
            pull.body = edit.body;
        }
        if (edit.base !== undefined) {
            changes['base'] = { ref: { from: pull.baseRef }, sha: { from: pull.baseSha } };
            pull.baseRef = edit.base;
            await this.measure(repo, pull);
        }
        pull.updatedAt = nowMs();
        this.events.pull('edited', repo, pull, this.sender(login), { changes });
    }

    /** Any other activity of a pull request (assigned, locked, enqueued …) with its extra fields. */
    pullActivity(
        repo: Repo,
        pull: Pull,
        action: string,
        extra: Json,
        login: string | undefined,
    ): void {
        pull.updatedAt = nowMs();
        this.events.pull(action, repo, pull, this.sender(login), extra);
    }

    async suiteRequested(
        repo: Repo,
        sha: string,
        branch: string,
        before: string,
        sender: User,
    ): Promise<CheckSuite> {
        const suite = this.suite(repo, sha, branch, before);
        await this.events.checkSuite('requested', repo, suite, sender);
        return suite;
    }

    /** One suite per App and commit. */
    suite(repo: Repo, sha: string, branch: string | null, before: string | null): CheckSuite {
        let suite = repo.suites.get(sha);
        if (!suite) {
            const now = nowMs();
            suite = {
                id: this.world.id('suite', 44_000_000_001),
                sha,
                branch,
                before,
                createdAt: now,
                updatedAt: now,
                app: 'ours',
            };
            repo.suites.set(sha, suite);
        }
        return suite;
    }

    comment(repo: Repo, number: number, body: string, user: User, viaApp: boolean): Comment {
        const pull = this.pull(repo, number);
        if (pull.locked && viaApp)
            throw new HttpError(403, 'Unable to create comment because issue is locked.');
        commentCheck(body);
        const now = nowMs();
        const comment: Comment = {
            id: this.world.id('comment', 3_400_000_001),
            number,
            user,
            body,
            createdAt: now,
            updatedAt: now,
            viaApp,
            deleted: false,
            reactions: [],
            revisions: [{ at: now, body, by: user.login }],
            association: viaApp ? 'NONE' : 'MEMBER',
        };
        repo.comments.set(comment.id, comment);
        this.events.comment('created', repo, pull, comment, user);
        return comment;
    }

    editComment(repo: Repo, comment: Comment, body: string, sender: User): void {
        commentCheck(body);
        const from = comment.body;
        comment.body = body;
        comment.updatedAt = nowMs();
        comment.revisions.push({ at: comment.updatedAt, body, by: sender.login });
        const pull = this.pull(repo, comment.number);
        this.events.comment('edited', repo, pull, comment, sender, { changes: { body: { from } } });
    }

    /**
     * The empty box of the line with this text is ticked on the page, which sends the whole text. `seen`: what the page
     * still showed when somebody else had written since; their text is lost then.
     */
    tickComment(repo: Repo, comment: Comment, text: string, sender: User, seen?: string): void {
        const lines = (seen ?? comment.body).split('\n');
        const at = lines.findIndex((line) => /^\s*[-*+] \[ \]/.test(line) && line.includes(text));
        if (at < 0) throw invalid(`No empty box with ${text}`);
        lines[at] = lines[at]!.replace('[ ]', '[x]');
        this.editComment(repo, comment, lines.join('\n'), sender);
    }

    deleteComment(repo: Repo, comment: Comment, sender: User): void {
        comment.deleted = true;
        this.events.comment('deleted', repo, this.pull(repo, comment.number), comment, sender);
    }

    liveComment(repo: Repo, id: number): Comment {
        const comment = repo.comments.get(id);
        if (!comment || comment.deleted) throw notFound();
        return comment;
    }

    async release(repo: Repo, order: ReleaseOrder): Promise<Release> {
        const target = order.target ?? repo.defaultBranch;
        const sha = repo.git.resolve(target);
        if (!sha) throw invalid(`No commit found for ${target}`);
        const sender = this.sender(order.sender);
        const now = nowMs();
        const release: Release = {
            id: this.world.id('release', 260_000_001),
            tag: order.tag,
            target,
            name: order.name ?? order.tag,
            body: order.body ?? '',
            draft: order.draft ?? false,
            prerelease: order.prerelease ?? false,
            author: sender,
            createdAt: now,
            publishedAt: order.draft ? null : now,
        };
        repo.releases.set(release.id, release);
        if (!release.draft) await repo.git.setRef(`refs/tags/${order.tag}`, sha);
        const actions =
            order.actions ??
            (release.draft
                ? ['created']
                : ['created', 'published', release.prerelease ? 'prereleased' : 'released']);
        for (const action of actions) this.events.release(action, repo, release, sender);
        return release;
    }

    async mergeGroup(repo: Repo, pull: Pull, login: string | undefined): Promise<MergeGroup> {
        const baseSha = repo.git.branch(pull.baseRef) ?? zero_sha;
        const headSha = await repo.git.mergeCommit(
            baseSha,
            pull.headSha,
            `Merge pull request #${pull.number}`,
        );
        if (!headSha) throw new HttpError(405, 'Pull Request is not mergeable');
        const branch = `gh-readonly-queue/${pull.baseRef}/pr-${pull.number}-${baseSha}`;
        const before = repo.git.branch(branch) ?? zero_sha;
        await repo.git.setRef(`refs/heads/${branch}`, headSha);
        const sender = this.sender(login);
        const group: MergeGroup = {
            id: headSha,
            headRef: `refs/heads/${branch}`,
            headSha,
            baseRef: `refs/heads/${pull.baseRef}`,
            baseSha,
            pull,
        };
        repo.mergeGroups.set(headSha, group);
        this.events.pull('enqueued', repo, pull, sender);
        await this.events.push(repo, group.headRef, before, headSha, sender, false);
        await this.suiteRequested(repo, headSha, branch, before, sender);
        await this.events.mergeGroup('checks_requested', repo, group, sender);
        return group;
    }

    /** The queue is done with a group: merged, invalidated or dequeued. */
    async mergeGroupEnd(
        repo: Repo,
        sha: string,
        reason: string,
        login: string | undefined,
    ): Promise<void> {
        const group = repo.mergeGroups.get(sha);
        if (!group) throw notFound();
        const sender = this.sender(login);
        repo.mergeGroups.delete(sha);
        await repo.git.deleteRef(group.headRef);
        await this.events.mergeGroup('destroyed', repo, group, sender, { reason });
        if (reason !== 'merged') {
            const why = reason === 'dequeued' ? 'MANUAL' : 'CI_FAILURE';
            this.events.pull('dequeued', repo, group.pull, sender, { reason: why });
            return;
        }
        const base = group.pull.baseRef;
        const now = nowMs();
        await repo.git.setRef(`refs/heads/${base}`, sha);
        Object.assign(group.pull, {
            state: 'closed',
            merged: true,
            mergedBy: sender,
            mergeSha: sha,
            mergedAt: now,
            closedAt: now,
            updatedAt: now,
        });
        this.events.pull('closed', repo, group.pull, sender);
        await this.moved(repo, base, group.baseSha, sha, sender, false);
    }

    private pushToFork(
        repo: Repo,
        fork: Repo,
        branch: string,
        files: Files,
        base: string,
    ): Promise<string> {
        const ref = headRefOf(fork, branch);
        const parent = repo.git.refs.get(ref) ?? repo.git.branch(base);
        return repo.git.commitFiles(ref, files, 'Change files', parent, nowMs(), undefined);
    }

    private async synchronize(
        repo: Repo,
        pull: Pull,
        after: string,
        sender: User,
        isSilent: boolean,
    ): Promise<void> {
        const before = pull.headSha;
        pull.headSha = after;
        pull.updatedAt = nowMs();
        await this.measure(repo, pull);
        if (!isSilent) this.events.pull('synchronize', repo, pull, sender, { before, after });
    }

    /** Diff numbers, refs/pull/N/head and the test merge. */
    private async measure(repo: Repo, pull: Pull): Promise<void> {
        const git = repo.git;
        pull.baseSha = git.branch(pull.baseRef) ?? pull.baseSha;
        await git.setRef(`refs/pull/${pull.number}/head`, pull.headSha);
        const stat = await git.diffStat(pull.baseSha, pull.headSha);
        Object.assign(pull, stat);
        const merged = await git.mergeCommit(
            pull.baseSha,
            pull.headSha,
            `Merge ${pull.headSha} into ${pull.baseSha}`,
        );
        pull.mergeSha = merged ?? null;
        pull.mergeableAt = nowMs() + repo.mergeableDelayMs;
        if (merged) await git.setRef(`refs/pull/${pull.number}/merge`, merged);
    }
}

function headRefOf(fork: Repo | undefined, branch: string): string {
    return fork ? `refs/forks/${fork.owner.login}/${branch}` : `refs/heads/${branch}`;
}

/** GitHub counts characters, and says so in these words. */
function commentCheck(body: string): void {
    if (body.trim() === '') {
        throw new HttpError(422, 'Validation Failed', [
            {
                resource: 'IssueComment',
                code: 'missing_field',
                field: 'body',
                message: "body can't be blank",
            },
        ]);
    }
    if ([...body].length > comment_chars_max) {
        throw new HttpError(422, 'Validation Failed', [
            {
                resource: 'IssueComment',
                code: 'unprocessable',
                field: 'data',
                message: `Body is too long (maximum is ${comment_chars_max} characters)`,
            },
        ]);
    }
}
