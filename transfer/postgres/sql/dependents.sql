-- What stands on columns of a table, or on its primary key: how it is dropped, and made again.
-- $1 is the table, $2 its columns that go or get another type, $3 those of them that do not stay where they are (names parted
-- by U+0001), $4 whether the primary key goes. Drop from the bottom up, make from the top down. `dropping` is null for what
-- goes by itself, `making` for what cannot be made again as it was; `reads` are the columns themselves.
WITH RECURSIVE base AS (
    SELECT class.oid, class.oid::regclass::text AS name, key.oid AS key, key.conindid AS key_index
    FROM pg_class AS class
    LEFT JOIN pg_constraint AS key ON key.conrelid = class.oid AND key.contype = 'p'
    WHERE class.oid = to_regclass($1)
),

moving AS (
    SELECT attnum, attname::text AS name, attname = ANY (string_to_array($3, chr(1))) AS replaced
    FROM pg_attribute
    JOIN base ON attrelid = base.oid
    WHERE NOT attisdropped AND attname = ANY (string_to_array($2, chr(1)))
),

direct AS (
    SELECT classid, objid, coalesce(bool_or(replaced), false) AS replaced,
        coalesce(json_agg(DISTINCT name) FILTER (WHERE name IS NOT NULL), '[]') AS reads
    FROM (
        SELECT depend.classid, depend.objid, moving.replaced, moving.name
        FROM pg_depend AS depend
        JOIN base ON depend.refobjid = base.oid
        JOIN moving ON moving.attnum = depend.refobjsubid
        WHERE depend.refclassid = 'pg_class'::regclass
        UNION ALL
        SELECT depend.classid, depend.objid, true, NULL
        FROM pg_depend AS depend
        JOIN base ON (depend.refclassid = 'pg_constraint'::regclass AND depend.refobjid = base.key)
            OR (depend.refclassid = 'pg_class'::regclass AND depend.refobjid = base.key_index)
        WHERE $4
    ) AS each_column
    GROUP BY classid, objid
),

tree AS (
    SELECT rule.ev_class AS oid, 1 AS depth
    FROM direct
    JOIN pg_rewrite AS rule ON direct.classid = 'pg_rewrite'::regclass AND rule.oid = direct.objid
    WHERE rule.rulename = '_RETURN'
    UNION
    SELECT rule.ev_class, tree.depth + 1
    FROM tree
    JOIN pg_depend AS depend ON depend.refclassid = 'pg_class'::regclass AND depend.refobjid = tree.oid
    JOIN pg_rewrite AS rule ON depend.classid = 'pg_rewrite'::regclass AND rule.oid = depend.objid
    WHERE rule.rulename = '_RETURN' AND rule.ev_class <> tree.oid AND tree.depth < 100
),

views AS (
    SELECT class.*, class.oid AS id, class.oid::regclass::text AS name, depth
    FROM (SELECT oid, max(depth) AS depth FROM tree GROUP BY oid) AS deepest
    JOIN pg_class AS class USING (oid)
),

-- Rights that views have by themselves when they are made are taken away first.
rights AS (
    SELECT views.id, 0 AS position, format('REVOKE ALL ON %s FROM %s', views.name, given.grantee) AS making
    FROM views
    CROSS JOIN (
        SELECT DISTINCT CASE each.grantee WHEN 0 THEN 'PUBLIC' ELSE each.grantee::regrole::text END AS grantee
        FROM pg_default_acl
        CROSS JOIN aclexplode(defaclacl) AS each
        WHERE defaclobjtype = 'r'
    ) AS given
    UNION ALL
    SELECT held.id, 1, format(
        'GRANT %s%s ON %s TO %s%s', each.privilege_type, held.columns, held.name,
        CASE each.grantee WHEN 0 THEN 'PUBLIC' ELSE each.grantee::regrole::text END,
        CASE WHEN each.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
    )
    FROM (
        SELECT id, name, '' AS columns, coalesce(relacl, acldefault('r', relowner)) AS acl
        FROM views
        UNION ALL
        SELECT views.id, views.name, format(' (%I)', attname), attacl
        FROM views
        JOIN pg_attribute ON attrelid = views.id AND NOT attisdropped AND attacl IS NOT NULL
        UNION ALL
        SELECT base.oid, base.name, format(' (%I)', attname), attacl
        FROM base
        JOIN moving ON moving.replaced
        JOIN pg_attribute ON attrelid = base.oid AND pg_attribute.attnum = moving.attnum AND attacl IS NOT NULL
    ) AS held
    CROSS JOIN aclexplode(held.acl) AS each
),

remarks AS (
    SELECT views.id, CASE
        WHEN objsubid = 0 THEN format('COMMENT ON VIEW %s IS %L', views.name, description)
        ELSE format('COMMENT ON COLUMN %s.%I IS %L', views.name, attname, description)
    END AS making
    FROM views
    JOIN pg_description ON classoid = 'pg_class'::regclass AND objoid = views.id
    LEFT JOIN pg_attribute ON attrelid = views.id AND attnum = objsubid
    UNION ALL
    SELECT base.oid, format('COMMENT ON COLUMN %s.%I IS %L', base.name, moving.name, description)
    FROM base
    JOIN moving ON moving.replaced
    JOIN pg_description ON classoid = 'pg_class'::regclass AND objoid = base.oid AND objsubid = moving.attnum
),

found AS (
    SELECT views.depth AS position, views.name, coalesce(direct.reads, '[]') AS reads, 'DROP VIEW ' || views.name AS dropping,
        CASE WHEN views.relkind = 'v' THEN to_json(ARRAY[
            format(
                'CREATE VIEW %s%s AS %s', views.name,
                (
                    SELECT format(' WITH (%s)', string_agg(format('%I = %L', option_name, option_value), ', '))
                    FROM pg_options_to_table(views.reloptions)
                    HAVING count(*) > 0
                ),
                rtrim(pg_get_viewdef(views.id), '; ')
            ),
            format('ALTER VIEW %s OWNER TO %s', views.name, views.relowner::regrole)
        ] || ARRAY(
            SELECT format('ALTER VIEW %s ALTER %I SET DEFAULT %s', views.name, attname, pg_get_expr(adbin, adrelid))
            FROM pg_attrdef
            JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
            WHERE adrelid = views.id
        ) || ARRAY(SELECT making FROM rights WHERE rights.id = views.id ORDER BY position)
        || ARRAY(SELECT making FROM remarks WHERE remarks.id = views.id)) END AS making
    FROM views
    LEFT JOIN pg_rewrite AS rule ON rule.ev_class = views.id AND rule.rulename = '_RETURN'
    LEFT JOIN direct ON direct.classid = 'pg_rewrite'::regclass AND direct.objid = rule.oid
    UNION ALL
    SELECT 100, format('rule %I on %s', rulename, ev_class::regclass), coalesce(direct.reads, '[]'),
        CASE WHEN views.id IS NULL THEN format('DROP RULE %I ON %s', rulename, ev_class::regclass) END,
        CASE WHEN ev_enabled = 'O' THEN to_json(ARRAY[rtrim(pg_get_ruledef(rule.oid), '; ')]) END
    FROM pg_rewrite AS rule
    LEFT JOIN direct ON direct.classid = 'pg_rewrite'::regclass AND direct.objid = rule.oid
    LEFT JOIN views ON views.id = ev_class
    WHERE rulename <> '_RETURN' AND (
        direct.objid IS NOT NULL OR views.id IS NOT NULL OR EXISTS (
            SELECT FROM pg_depend AS depend
            JOIN views AS used ON depend.refclassid = 'pg_class'::regclass AND depend.refobjid = used.id
            WHERE depend.classid = 'pg_rewrite'::regclass AND depend.objid = rule.oid
        )
    )
    UNION ALL
    SELECT 100, format('trigger %I on %s', tgname, tgrelid::regclass), coalesce(direct.reads, '[]'),
        CASE WHEN views.id IS NULL THEN format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass) END,
        CASE WHEN tgenabled = 'O' THEN to_json(ARRAY[pg_get_triggerdef(trigger.oid)]) END
    FROM pg_trigger AS trigger
    LEFT JOIN direct ON direct.classid = 'pg_trigger'::regclass AND direct.objid = trigger.oid
    LEFT JOIN views ON views.id = tgrelid
    WHERE NOT tgisinternal AND (direct.objid IS NOT NULL OR views.id IS NOT NULL)
    UNION ALL
    SELECT 200, format('index %s', class.oid::regclass), direct.reads, NULL, to_json(ARRAY[pg_get_indexdef(class.oid)])
    FROM direct
    JOIN pg_class AS class ON direct.classid = 'pg_class'::regclass AND class.oid = direct.objid AND class.relkind = 'i'
    WHERE direct.replaced AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = class.oid AND contype IN ('p', 'u', 'x'))
    UNION ALL
    SELECT CASE confrelid WHEN base.oid THEN 202 ELSE 201 END, format('constraint %I on %s', conname, conrelid::regclass), direct.reads,
        CASE confrelid WHEN base.oid THEN format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) END,
        to_json(ARRAY[format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(held.oid))])
    FROM direct
    JOIN pg_constraint AS held ON direct.classid = 'pg_constraint'::regclass AND held.oid = direct.objid
    CROSS JOIN base
    WHERE direct.replaced AND held.contype IN ('c', 'u', 'f', 'x') AND held.conparentid = 0
    UNION ALL
    SELECT 203, format('what is said of columns of %s', base.name), '[]', NULL, to_json(
        ARRAY(SELECT making FROM remarks WHERE remarks.id = base.oid)
        || ARRAY(SELECT making FROM rights WHERE rights.id = base.oid)
    )
    FROM base
    WHERE EXISTS (SELECT FROM moving WHERE replaced)
)

SELECT name, reads::text, dropping, making::text FROM found ORDER BY position, name
