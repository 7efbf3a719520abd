/* An error as somebody can use it: what happened, what to do, what to quote. */
import { Button, CopyButton, Group, Text } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { ApiError } from '../api/client.ts';

function adviceOf(error: unknown): string {
    if (!(error instanceof ApiError))
        return 'This is a mistake of the page itself. Loading it again may help; please report it.';
    if (error.status === 0)
        return 'Is the server running, and is there a network? It is tried again by itself.';
    if (error.status === 401) return 'Sign in again.';
    if (error.status === 403)
        return 'Ask an owner or admin of the workspace for the right to do this.';
    if (error.status === 404) return 'It may have been removed, or belong to another workspace.';
    if (error.status === 429) return 'Wait a moment, then try again.';
    if (error.status >= 500)
        return 'Nothing was done. Try again; if it stays, quote the trace id to whoever runs the server.';
    return '';
}

export function Problem(props: {
    error: unknown;
    again?: () => void;
    title?: string;
    children?: ReactNode;
}) {
    const { error } = props;
    const message = error instanceof Error ? error.message : String(error);
    const traceId = error instanceof ApiError ? error.traceId : '';
    const validation = error instanceof ApiError ? error.validation : [];
    return (
        <div className="callout" data-tone="bad" role="alert">
            <Group gap={8} align="flex-start" wrap="nowrap">
                <IconAlertTriangle
                    size={18}
                    aria-hidden
                    color="var(--tone-bad)"
                    style={{ flex: 'none' }}
                />
                <div style={{ minWidth: 0, overflowWrap: 'anywhere' }}>
                    <Text fw={600} size="sm">
                        {props.title ?? 'This could not be done'}
                    </Text>
                    <Text size="sm">{message}</Text>
                    {validation.length > 0 && (
                        <ul style={{ margin: '4px 0', paddingLeft: 18 }}>
                            {validation.map((line) => (
                                <li key={line}>{line}</li>
                            ))}
                        </ul>
                    )}
                    <Text size="sm">{adviceOf(error)}</Text>
                    {props.children}
                    <Group gap={8} mt={6}>
                        {props.again && (
                            <Button variant="default" onClick={props.again}>
                                Try again
                            </Button>
                        )}
                        {traceId !== '' && (
                            <CopyButton value={traceId}>
                                {({ copied, copy }) => (
                                    <Button variant="default" onClick={copy}>
                                        {copied ? 'Copied' : 'Copy trace id'}&nbsp;
                                        <span className="mono">{traceId}</span>
                                    </Button>
                                )}
                            </CopyButton>
                        )}
                    </Group>
                </div>
            </Group>
        </div>
    );
}

/** What the router shows when a page could not be shown at all. */
export function Broken(props: { error: unknown; reset?: () => void }) {
    return (
        <div className="page" data-narrow="true">
            <h1>This page cannot be shown</h1>
            <Problem error={props.error} again={() => window.location.reload()} />
        </div>
    );
}
