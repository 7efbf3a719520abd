/* What this is, how far it is, and what can be done with all of it. */
import { Tooltip, UnstyledButton } from '@mantine/core';
import { paths } from '../../app/paths.ts';
import { moodOf, inBarOrder, progressOf, type Mood, type NodeState } from '../../logic/states.ts';
import { statesOf } from '../../logic/batch-filter.ts';
import { exactWords } from '../../logic/time.ts';
import { ActButton } from '../../parts/confirm.tsx';
import { Go, Out } from '../../parts/go.tsx';
import { lookOf, Status, batchState } from '../../parts/status.tsx';
import { Name, Sha } from '../../parts/text.tsx';
import { Ago, Duration, msOf, Took, useNow } from '../../parts/time.tsx';
import { cancelOrder, isPending, reread, retryOrder, type Batch } from './data.ts';

const changeWords: Record<string, string> = {
    pull_request: '#',
    release: 'release ',
    merge_group: 'merge group ',
    manual: 'by hand',
    drift: 'drift',
};

/** For the tab and the heading: what somebody would call it. */
export function titleOf(batch: Batch): string {
    const { change } = batch;
    if (!change) return `${batch.activity || batch.event} of ${batch.repository}`;
    if (change.title !== '') return change.title;
    return `${changeWords[change.kind] ?? ''}${change.number || change.key}`;
}

export function Title(props: { batch: Batch }) {
    const { batch } = props;
    const { change } = batch;
    return (
        <span className="batch-title">
            <Name max={160}>{titleOf(batch)}</Name>
            {change && change.number > 0 && (
                <span className="quiet batch-number">
                    {/^https?:/.test(change.url) ? (
                        <Out href={change.url}>#{change.number}</Out>
                    ) : (
                        `#${change.number}`
                    )}
                </span>
            )}
        </span>
    );
}

/** State, where from, by whom, when; in one line that wraps. */
export function Facts(props: { batch: Batch }) {
    const { batch } = props;
    const who = batch.actor || batch.change?.author || '';
    return (
        <div className="batch-facts">
            <Status state={batchState(batch)} />
            <Go to={paths.repository(batch.repositoryId)} isPlain>
                <Name>{batch.repository}</Name>
            </Go>
            <span>
                {batch.event.replaceAll('_', ' ')} {batch.activity.replaceAll('_', ' ')}
            </span>
            {batch.headSha !== '' && <Sha>{batch.headSha}</Sha>}
            {who !== '' && (
                <span>
                    by <Name max={40}>{who}</Name>
                </span>
            )}
            {(batch.endedAt !== null || batch.startedAt === null || batch.state === 'held') && (
                <span>
                    <Ago at={batch.startedAt ?? batch.createdAt} />
                </span>
            )}
            {batch.startedAt !== null && batch.state !== 'held' && (
                <span>
                    {batch.endedAt === null ? 'for' : 'took'}{' '}
                    <Took from={batch.startedAt} to={batch.endedAt} />
                </span>
            )}
        </div>
    );
}

export function Acts(props: {
    batch: Batch;
    counts: ReadonlyMap<NodeState, number>;
    mayOperate: boolean;
}) {
    const { batch, counts, mayOperate } = props;
    if (!mayOperate) return null;
    let bad = 0;
    for (const [state, count] of counts)
        if (moodOf(state) === 'bad' || state === 'cancelled') bad += count;
    const mayRetry = bad > 0 && batch.supersededBy === null && batch.state !== 'held';
    const mayCancel = batch.state !== 'ended';
    return (
        <>
            {mayRetry && (
                <ActButton<Record<string, unknown>>
                    order={() => retryOrder(batch.id)}
                    done={(outcome) =>
                        isPending(outcome)
                            ? 'Accepted: it goes out in a moment.'
                            : 'They go out again.'
                    }
                    after={() => reread(batch.id)}
                >
                    Retry {bad === 1 ? 'the failed one' : `all ${bad} that failed`}
                </ActButton>
            )}
            {mayCancel && (
                <ActButton<Record<string, unknown>>
                    order={() => cancelOrder(batch.id)}
                    ask={{
                        title: 'Cancel this batch?',
                        text: 'What waits never starts. What runs is told to stop at the forge, and keeps what it has done so far. Each node can be run again later.',
                        word: 'Cancel the batch',
                        isGrave: true,
                    }}
                    done={(outcome) =>
                        isPending(outcome)
                            ? 'Accepted: it stops in a moment.'
                            : 'The batch is cancelled.'
                    }
                    after={() => reread(batch.id)}
                >
                    Cancel
                </ActButton>
            )}
        </>
    );
}

const moodTone: Record<Mood, string> = {
    good: 'good',
    bad: 'bad',
    active: 'busy',
    needs: 'wait',
    waiting: 'open',
    gone: 'quiet',
};

/** The bar, and under it the counts: each is a filter. */
export function Progress(props: {
    batch: Batch;
    counts: ReadonlyMap<NodeState, number>;
    state: string | undefined;
    choose: (state: string | undefined) => void;
}) {
    const { counts, state, choose } = props;
    const parts = inBarOrder(counts);
    const { done, of } = progressOf(counts);
    if (parts.length === 0) return null;
    const isChosen = statesOf(state);
    const words = parts.map(([one, count]) => `${count} ${lookOf(one).word}`).join(', ');
    return (
        <section className="batch-progress" aria-label="Progress">
            <div className="batch-bar" role="img" aria-label={`${done} of ${of} ended: ${words}`}>
                {parts.map(([one, count]) => (
                    <span key={one} data-tone={moodTone[moodOf(one)]} style={{ flexGrow: count }} />
                ))}
            </div>
            <div className="batch-counts">
                {parts.map(([one, count]) => (
                    <UnstyledButton
                        key={one}
                        className="batch-count"
                        aria-pressed={state !== undefined && isChosen(one)}
                        title={`Only what is ${lookOf(one).word}`}
                        onClick={() => choose(state === one ? undefined : one)}
                    >
                        <Status
                            state={one}
                            size={14}
                            word={`${count.toLocaleString('en')} ${lookOf(one).word}`}
                        />
                    </UnstyledButton>
                ))}
                <span className="batch-left">
                    {done.toLocaleString('en')} of {of.toLocaleString('en')}
                    <TimeLeft batch={props.batch} />
                </span>
            </div>
        </section>
    );
}

function TimeLeft(props: { batch: Batch }) {
    const { expectedEndAt, state } = props.batch;
    const now = useNow(1000);
    if (!expectedEndAt || state !== 'running') return null;
    const left = msOf(expectedEndAt) - now;
    return (
        <Tooltip
            label={`Expected to end at ${exactWords(msOf(expectedEndAt))}, by how long each usually takes`}
        >
            <span>
                {' · '}
                {left > 5_000 ? (
                    <>
                        about <Duration ms={Math.ceil(left / 5_000) * 5_000} /> left
                    </>
                ) : (
                    'longer than usual'
                )}
            </span>
        </Tooltip>
    );
}

/** Who let it go, once somebody had to. */
export function Released(props: { batch: Batch }) {
    const released = props.batch.released ?? [];
    if (released.length === 0) return null;
    return (
        <ul className="batch-released" aria-label="Released by">
            {released.map((one) => (
                <li key={one.kind}>
                    <Status state="applied" word="Released" size={14} /> by{' '}
                    <Name max={40}>{one.by}</Name> <Ago at={one.at} />
                    <span className="quiet"> · {one.text}</span>
                </li>
            ))}
        </ul>
    );
}
