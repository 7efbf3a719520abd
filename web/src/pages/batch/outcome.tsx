/* When a batch is not simply under way: what happened, and what to do. The words are the server's. */
import { paths } from '../../app/paths.ts';
import { Go } from '../../parts/go.tsx';
import { Status } from '../../parts/status.tsx';
import { useReasons, type Batch } from './data.ts';
import { Reasons, sentence } from './reasons.tsx';

interface Story {
    state: string;
    title: string;
    tone: 'bad' | 'wait' | 'quiet' | 'busy';
    todo: string;
}

export function storyOf(batch: Batch): Story | null {
    if (batch.error !== '')
        return {
            state: 'refused',
            title: 'This batch could not be planned',
            tone: 'bad',
            todo: 'Nothing was dispatched. Mend what is named below, then push again.',
        };
    if (batch.state === 'preparing')
        return {
            state: 'preparing',
            title: 'Being prepared',
            tone: 'quiet',
            todo: 'Its workflow files are being read; it starts by itself.',
        };
    if (batch.supersededBy !== null || batch.verdict === 'superseded')
        return {
            state: 'superseded',
            title: 'A newer head took its place',
            tone: 'quiet',
            todo: 'Nothing more starts here. What had begun has been told to stop or keeps its result.',
        };
    if (batch.cancelled)
        return {
            state: batch.state === 'ended' ? 'cancelled' : 'cancelling',
            title: batch.state === 'ended' ? 'Cancelled' : 'Being cancelled',
            tone: 'quiet',
            todo: 'What waited never started. Run single nodes again, or all of them, when you want them after all.',
        };
    if (batch.verdict === 'empty' || (batch.state !== 'held' && batch.dispatchable === 0))
        return {
            state: 'empty',
            title: 'Nothing to dispatch',
            tone: 'quiet',
            todo: 'Nothing that is affected has a workflow for this event. Add one to settings.pro of the stacks that should have run.',
        };
    return null;
}

export function Outcome(props: { batch: Batch; href: (position: number) => string }) {
    const { batch } = props;
    const story = storyOf(batch);
    if (!story) return null;
    return (
        <section className="callout batch-outcome" data-tone={story.tone} aria-label={story.title}>
            <h2>
                <Status state={story.state} word={story.title} size={18} />
            </h2>
            {batch.error !== '' && (
                <p>
                    <bdi>{sentence(batch.error)}</bdi>
                </p>
            )}
            <p>
                {story.todo}
                {batch.supersededBy !== null && (
                    <>
                        {' '}
                        <Go to={paths.batch(batch.supersededBy)}>To the batch of the newer head</Go>
                    </>
                )}
            </p>
            <Why batch={batch} href={props.href} />
        </section>
    );
}

export function Why(props: { batch: Batch; href: (position: number) => string }) {
    const { data } = useReasons(props.batch.id, `${props.batch.state} ${props.batch.verdict}`);
    if (!data || data.reasons.length === 0) return null;
    return <Reasons reasons={data.reasons} batchId={props.batch.id} href={props.href} />;
}
