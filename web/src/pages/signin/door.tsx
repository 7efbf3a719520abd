/* The frame of the pages that nobody has to be signed in for. */
import { Text } from '@mantine/core';
import { useEffect, type ReactNode } from 'react';

export function Door(props: { title: string; sub?: ReactNode; children?: ReactNode }) {
    useEffect(() => {
        document.title = `${props.title} · Signalbox`;
    }, [props.title]);
    return (
        <main className="door">
            <div className="door-box">
                <div className="door-name">
                    <img src="/favicon.svg" alt="" width={22} height={22} />
                    <span>Signalbox</span>
                </div>
                <h1>{props.title}</h1>
                {props.sub && (
                    <Text component="div" size="sm" c="dimmed">
                        {props.sub}
                    </Text>
                )}
                {props.children}
            </div>
        </main>
    );
}

/** A path of ours to come back to; an address of somebody else is none. */
export function nextOf(wish: unknown): string {
    return typeof wish === 'string' && /^\/(?![/\\])/.test(wish) && !wish.startsWith('/sign-in')
        ? wish
        : '/';
}
