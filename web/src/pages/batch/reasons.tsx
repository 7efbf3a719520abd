/* The chain of reasons: why something has not run, or ended as it did, each with what would change it and a link to follow. */
import { Go, Out } from '../../parts/go.tsx';
import { paths } from '../../app/paths.ts';
import { Ago } from '../../parts/time.tsx';
import { lookOf } from '../../parts/status.tsx';
import type { Reason } from './data.ts';

/** Which state's icon stands before it. */
const iconOf: Partial<Record<string, string>> = {
    held: 'held',
    held_draft: 'held',
    held_rapid_push: 'held',
    held_threshold: 'held',
    held_rate_limit: 'held',
    locked: 'locked',
    wait_skipped: 'applied',
    live_run: 'running',
    waits_for_budget: 'locked',
    waits_for_parent: 'waiting',
    waits_for_batch: 'waiting',
    waits_for_slot: 'ready',
    waits_for_upload: 'waiting',
    preparing: 'preparing',
    dispatching: 'dispatching',
    queued: 'queued',
    running: 'running',
    approval: 'waiting_approval',
    cancelling: 'cancelling',
    succeeded: 'success',
    released: 'applied',
    failed: 'failure',
    timed_out: 'timed_out',
    cancelled: 'cancelled',
    skipped: 'skipped',
    superseded: 'superseded',
    batch_superseded: 'superseded',
    dispatch_error: 'error',
    not_planned: 'error',
    app_gone: 'error',
    deleted: 'not_dispatched',
    disabled: 'not_dispatched',
    no_workflow: 'not_dispatched',
    not_dispatched: 'not_dispatched',
};

interface Place {
    batchId: string;
    /** The node whose reasons they are: no link leads to itself. */
    position?: number;
    href: (position: number) => string;
    /** Only what and where; the rest stands where it leads. */
    isShort?: boolean;
}

export function Reasons(props: Place & { reasons: readonly Reason[] }) {
    return (
        <ol className="reasons">
            {props.reasons.map((reason, index) => (
                <ReasonItem key={index} {...props} reason={reason} />
            ))}
        </ol>
    );
}

function ReasonItem(props: Place & { reason: Reason }) {
    const { reason } = props;
    const look = lookOf(iconOf[reason.code] ?? 'ready');
    const Icon = look.icon;
    return (
        <li className="reason">
            <span className="status" data-tone={look.tone}>
                <Icon size={15} stroke={2} aria-hidden />
            </span>
            <div data-short={props.isShort ?? false}>
                <bdi className="reason-text">
                    {beginsWithName(reason) ? stopped(reason.text) : sentence(reason.text)}
                </bdi>
                {reason.change && !props.isShort && (
                    <bdi className="quiet reason-change">{sentence(reason.change)}</bdi>
                )}
                <span className="reason-links quiet">
                    {reason.since && !props.isShort && (
                        <span>
                            <Ago at={reason.since} />
                        </span>
                    )}
                    {reason.until && !props.isShort && (
                        <span>
                            {reason.code === 'locked' ? 'ends' : 'expected'}{' '}
                            <Ago at={reason.until} />
                        </span>
                    )}
                    <Follow {...props} />
                </span>
            </div>
        </li>
    );
}

/** To the node that it is about, in this batch or another; to the run at the forge. */
function Follow(props: Place & { reason: Reason }) {
    const { numbers, url } = props.reason;
    const root = positionOf(numbers['root']) ?? positionOf(numbers['position']);
    const batch = typeof numbers['batch'] === 'string' ? numbers['batch'] : props.batchId;
    return (
        <>
            {root !== null && !(batch === props.batchId && root === props.position) && (
                <Go to={batch === props.batchId ? props.href(root) : paths.batch(batch, root)}>
                    {batch === props.batchId ? 'show it' : 'show it in its batch'}
                </Go>
            )}
            {url && !isOurs(url) && <Out href={url}>run</Out>}
        </>
    );
}

function positionOf(value: unknown): number | null {
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}
/** The page of the batch itself is no place to go to from here. */
function isOurs(url: string): boolean {
    return /\/batches\/[^/]+$/.test(url);
}

/** A name keeps its small letter. */
function beginsWithName({ text, numbers }: Reason): boolean {
    return ['component', 'rootComponent'].some((name) => {
        const value = numbers[name];
        return typeof value === 'string' && value !== '' && text.startsWith(value);
    });
}

function stopped(text: string): string {
    return /[.!?)]$/.test(text.trim()) ? text.trim() : `${text.trim()}.`;
}

/** A text of the API has no capital and no stop: it stands in sentences elsewhere. */
export function sentence(text: string): string {
    const trimmed = text.trim();
    if (trimmed === '') return '';
    return stopped(`${trimmed[0]!.toUpperCase()}${trimmed.slice(1)}`);
}
