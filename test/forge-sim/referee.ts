import type { Json } from './util.ts';
import type { Forge } from './forge.ts';
import type { Runs } from './runs.ts';
import type { World } from './world.ts';

/** Counts what a well-behaved client does not do. A scenario asks for the verdict at its end. */
export class Referee {
    callsByRoute: Map<string, number> = new Map();
    statuses: Map<string, number> = new Map();
    callsWhileLimited = 0;
    missingUserAgent = 0;
    missingVersion = 0;
    missingAccept = 0;
    notModified = 0;
    faultsFired: Map<string, number> = new Map();
    inFlight = 0;
    inFlightMax = 0;
    mutationsAtOnceMax = 0;
    /** comment id → writes in flight; two at once can lose an update */
    private commentWrites: Map<string, number> = new Map();
    commentWritesAtOnce = 0;

    count(map: Map<string, number>, key: string): void {
        map.set(key, (map.get(key) ?? 0) + 1);
    }

    commentWriteBegins(key: string): void {
        const now = (this.commentWrites.get(key) ?? 0) + 1;
        this.commentWrites.set(key, now);
        if (now > 1) this.commentWritesAtOnce++;
    }

    commentWriteEnds(key: string): void {
        this.commentWrites.set(key, (this.commentWrites.get(key) ?? 1) - 1);
    }

    verdict(forge: Forge, isFull: boolean): Json {
        const { world, runs, limits } = forge;
        return {
            leaks: leaksVerdict(forge),
            runs: runsVerdict(runs),
            comments: commentsVerdict(world, isFull),
            checks: checksVerdict(world, isFull),
            calls: {
                byRoute: Object.fromEntries(this.callsByRoute),
                statuses: Object.fromEntries(this.statuses),
                total: [...this.callsByRoute.values()].reduce((sum, one) => sum + one, 0),
                whileLimited: this.callsWhileLimited,
                missingUserAgent: this.missingUserAgent,
                missingVersion: this.missingVersion,
                missingAccept: this.missingAccept,
                notModified: this.notModified,
                inFlightMax: this.inFlightMax,
                concurrentMaxPerCaller: limits.maxConcurrent(),
                concurrentDispatchesMax: runs.dispatchingMax,
                commentWritesAtOnce: this.commentWritesAtOnce,
            },
            faultsFired: Object.fromEntries(this.faultsFired),
        };
    }
}

function runsVerdict(runs: Runs): Json {
    const byIntent = new Map<string, number[]>();
    const byState = new Map<string, number>();
    let without = 0;
    for (const run of runs.byId.values()) {
        const state = run.conclusion ?? run.status;
        byState.set(state, (byState.get(state) ?? 0) + 1);
        const intent = run.inputs['atmos_pro_run_id'] ?? '';
        if (intent === '') without++;
        else byIntent.set(intent, [...(byIntent.get(intent) ?? []), run.id]);
    }
    const duplicates = [...byIntent].filter(([, ids]) => ids.length > 1);
    return {
        total: runs.byId.size,
        intents: byIntent.size,
        withoutIntent: without,
        byState: Object.fromEntries(byState),
        duplicates: Object.fromEntries(duplicates),
        duplicateCount: duplicates.length,
    };
}

function commentsVerdict(world: World, isFull: boolean): Json {
    const perPull: Record<string, number> = {};
    /* What an App keeps in a pull request begins with a hidden marker; answers to people have others. */
    const alike = new Map<string, number>();
    const bodies: Json[] = [];
    let created = 0;
    let edits = 0;
    for (const repo of world.repos.values()) {
        for (const comment of repo.comments.values()) {
            if (!comment.viaApp) continue;
            created++;
            edits += comment.revisions.length - 1;
            const key = `${repo.owner.login}/${repo.name}#${comment.number}`;
            if (!comment.deleted) {
                const kind = `${key} ${/^<!--.*?-->/.exec(comment.body)?.[0] ?? ''}`;
                perPull[key] = (perPull[key] ?? 0) + 1;
                alike.set(kind, (alike.get(kind) ?? 0) + 1);
            }
            if (isFull)
                bodies.push({
                    id: comment.id,
                    pull: key,
                    deleted: comment.deleted,
                    revisions: comment.revisions,
                });
        }
    }
    const many = [...alike.values()].filter((count) => count > 1).length;
    return { created, edits, perPull, pullsWithMoreThanOne: many, ...(isFull ? { bodies } : {}) };
}

/** From the push that made the suite to the first sight of our check. */
function firstSight(waits: number[]): Json {
    const sorted = waits.sort((left, right) => left - right);
    const at = (part: number) => sorted[Math.floor((sorted.length - 1) * part)] ?? null;
    return { count: sorted.length, p50: at(0.5), p99: at(0.99) };
}

function checksVerdict(world: World, isFull: boolean): Json {
    const perSha: Record<string, number> = {};
    const bodies: Json[] = [];
    let writes = 0;
    let reopened = 0;
    const waits: number[] = [];
    for (const repo of world.repos.values()) {
        for (const run of repo.checkRuns.values()) {
            if (run.app !== 'ours') continue;
            writes += run.revisions.length;
            waits.push((run.revisions[0]?.at ?? run.suite.createdAt) - run.suite.createdAt);
            const key = `${run.sha}:${run.name}`;
            perSha[key] = (perSha[key] ?? 0) + 1;
            const ends = run.revisions.findIndex((one) => one.status === 'completed');
            if (ends >= 0 && run.revisions.slice(ends).some((one) => one.status !== 'completed'))
                reopened++;
            if (isFull)
                bodies.push({ id: run.id, name: run.name, sha: run.sha, revisions: run.revisions });
        }
    }
    const many = Object.values(perSha).filter((count) => count > 1).length;
    const firstSightMs = firstSight(waits);
    return {
        writes,
        perSha,
        shasWithMoreThanOne: many,
        reopened,
        firstSightMs,
        ...(isFull ? { bodies } : {}),
    };
}

/** Secrets have no business in anything people can read: comments, checks, reviews, inputs of runs. */
function leaksVerdict(forge: Forge): Json[] {
    const { world, auth } = forge;
    const secrets: [string, string][] = [
        ['webhook secret', world.app.webhookSecret],
        ['private key', '-----BEGIN'],
        ['client secret', world.app.clientSecret],
    ];
    for (const token of auth.tokens.keys()) secrets.push(['installation token', token]);
    const leaks: Json[] = [];
    const look = (where: string, text: string) => {
        for (const [what, secret] of secrets)
            if (secret !== '' && text.includes(secret)) leaks.push({ where, what });
        if (/eyJ[\w-]{10,}\.eyJ[\w-]{10,}\./.test(text)) leaks.push({ where, what: 'JWT' });
    };
    for (const repo of world.repos.values()) {
        for (const comment of repo.comments.values()) {
            if (comment.viaApp)
                for (const one of comment.revisions) look(`comment ${comment.id}`, one.body);
        }
        for (const check of repo.checkRuns.values())
            look(`check ${check.id}`, JSON.stringify(check.revisions) + (check.detailsUrl ?? ''));
        for (const pull of repo.pulls.values())
            for (const one of pull.reviews) look(`review ${one.id}`, one.body);
        for (const run of repo.runs.values())
            look(`inputs of run ${run.id}`, JSON.stringify(run.inputs));
    }
    return leaks;
}
