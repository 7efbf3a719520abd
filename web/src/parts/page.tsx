/* What every page has: a title, what can be done, and something to say when there is nothing. */
import { Group, Loader, Text } from '@mantine/core';
import { useEffect, useState, type ReactNode } from 'react';

export interface PageProps {
    title: ReactNode;
    /** For the tab, when the title is more than a word. */
    name?: string;
    /** A line under the title. */
    sub?: ReactNode;
    /** Buttons at the right. */
    acts?: ReactNode;
    isNarrow?: boolean;
    children?: ReactNode;
}

export function Page(props: PageProps) {
    const name = props.name ?? (typeof props.title === 'string' ? props.title : '');
    useEffect(() => {
        document.title = name === '' ? 'Signalbox' : `${name} · Signalbox`;
    }, [name]);
    return (
        <div className="page" data-narrow={props.isNarrow ?? false}>
            <div className="page-head">
                <div style={{ minWidth: 0 }}>
                    <h1>{props.title}</h1>
                    {props.sub && (
                        <Text component="div" size="sm" c="dimmed" mt={2}>
                            {props.sub}
                        </Text>
                    )}
                </div>
                {props.acts && <Group gap={8}>{props.acts}</Group>}
            </div>
            {props.children}
        </div>
    );
}

/** Nothing is there: why, and what makes something appear. */
export function Empty(props: { title: string; children?: ReactNode; acts?: ReactNode }) {
    return (
        <div className="frame" style={{ padding: '28px 24px' }}>
            <Text fw={600} size="md">
                {props.title}
            </Text>
            {props.children && (
                <Text component="div" c="dimmed" mt={4} maw={620}>
                    {props.children}
                </Text>
            )}
            {props.acts && (
                <Group gap={8} mt={12}>
                    {props.acts}
                </Group>
            )}
        </div>
    );
}

/** Says that something is coming, but only to those who would notice. */
export function Waiting(props: { what?: string }) {
    const [isLate, setLate] = useState(false);
    useEffect(() => {
        const timer = window.setTimeout(() => setLate(true), 300);
        return () => window.clearTimeout(timer);
    }, []);
    if (!isLate) return null;
    return (
        <Group gap={8} p={12} role="status">
            <Loader size={16} />
            <Text c="dimmed">{props.what ?? 'Reading…'}</Text>
        </Group>
    );
}
