/* A run by its id: its node, in its batch. */
import { useParams } from '@tanstack/react-router';
import { useEffect } from 'react';
import { useRead } from '../../api/queries.ts';
import type { Schemas } from '../../api/client.ts';
import { paths } from '../../app/paths.ts';
import { Problem } from '../../app/problem.tsx';
import { useGo } from '../../parts/go.tsx';
import { Page, Waiting } from '../../parts/page.tsx';

export default function RunPage() {
    const { runId } = useParams({ strict: false }) as { runId: string };
    const run = useRead<Schemas['Run']>({
        path: `/api/v1/runs/${encodeURIComponent(runId)}`,
        on: [],
    });
    const go = useGo();
    useEffect(() => {
        if (run.data) go(paths.batch(run.data.batchId, run.data.position), true);
    }, [run.data, go]);
    return (
        <Page title="Run">
            {run.error ? (
                <Problem
                    error={run.error}
                    title="This run could not be read"
                    again={() => void run.refetch()}
                />
            ) : (
                <Waiting />
            )}
        </Page>
    );
}
