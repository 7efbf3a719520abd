import { Empty, Page } from '../../parts/page.tsx';

export default function Repository() {
    return (
        <Page title="Repository">
            <Empty title="This page is not here yet" />
        </Page>
    );
}
