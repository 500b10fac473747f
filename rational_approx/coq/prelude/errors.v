(** * Errors *)

(* The error of p / q for the target f / g with the weight w / v, all of them polynomials, is at most un / ud. *)
Definition close (s : Z) (w v f g p q : list Z) (un ud : Z) (i : region) : bool :=
  let top := mul w (add (mul f q) (scale (-1) (mul p g))) in
  let bottom := mul v (mul g q) in
  at_most s top bottom un ud i && nonnegative (scale s (add (scale un bottom) (scale ud top))) i.

Lemma close_sound s w v f g p q un ud i x : close s w v f g p q un ud i = true -> inside i x ->
  value v x <> 0 /\ value g x <> 0 /\ value q x <> 0 /\
  Rabs (value w x / value v x * (value f x / value g x - value p x / value q x)) <= IZR un / IZR ud.
Proof.
  unfold close; set (top := mul w _); set (bottom := mul v _); intros holds X.
  apply andb_prop in holds; destruct holds as [U L].
  assert (parts := U); unfold at_most in parts.
  apply andb_prop in parts; destruct parts as [parts _]; apply andb_prop in parts; destruct parts as [ud_positive D].
  assert (B : value bottom x <> 0) by now apply nonzero_sound with s i.
  assert (B' := B); unfold bottom in B'; rewrite !value_mul in B'.
  assert (V : value v x <> 0) by (intros E; apply B'; rewrite E; ring).
  assert (G : value g x <> 0) by (intros E; apply B'; rewrite E; ring).
  assert (Q : value q x <> 0) by (intros E; apply B'; rewrite E; ring).
  repeat split; auto.
  replace (value w x / value v x * (value f x / value g x - value p x / value q x))
    with (value top x / value bottom x)
    by (unfold top, bottom; rewrite !value_mul, value_add, value_scale, !value_mul; field; auto).
  assert (at_least s top bottom (- un) ud i = true) as lower.
  { unfold at_least, at_most; rewrite ud_positive, D; cbn [andb].
    replace (add (scale (- - un) bottom) (scale (- ud) (scale (-1) top)))
      with (add (scale un bottom) (scale ud top)); [exact L|].
    rewrite Z.opp_involutive; f_equal; unfold scale; rewrite map_map; apply map_ext; intros; lia. }
  apply (at_least_sound _ _ _ _ _ _ _ lower) in X as below.
  apply (at_most_sound _ _ _ _ _ _ _ U) in X as above.
  rewrite opp_IZR in below; apply Rabs_le; unfold Rdiv in *; lra.
Qed.

(* On a box around m / d: a polynomial f / n in x - m / d that is near the target is near p / q, too. *)
Definition box_close (s : Z) (f : list Z) (n m h d : Z) (p q : list Z) (un ud : Z) : bool :=
  let (p', k) := compose p m d d in
  let (q', l) := compose q m d d in
  (0 <? d)%Z && close s [1%Z] [1%Z] f [n] (scale l p') (scale k q') un ud (Segment (- h) h d).

Lemma box_close_sound s f n m h d p q un ud target e x : box_close s f n m h d p q un ud = true ->
  (forall y, IZR (- h) / IZR d <= y <= IZR h / IZR d -> Rabs (target (IZR m / IZR d + y) - value f y / IZR n) <= e) ->
  IZR m / IZR d - IZR h / IZR d <= x <= IZR m / IZR d + IZR h / IZR d ->
  Rabs (target x - value p x / value q x) <= IZR un / IZR ud + e.
Proof.
  unfold box_close.
  destruct (compose p m d d) as [p' k] eqn:P; destruct (compose q m d d) as [q' l] eqn:Q.
  intros holds near X; apply andb_prop in holds; destruct holds as [D C]; apply Z.ltb_lt in D.
  assert (D' : 0 < IZR d) by (apply IZR_lt, D).
  assert (Y : IZR (- h) / IZR d <= x - IZR m / IZR d <= IZR h / IZR d) by (rewrite opp_IZR; unfold Rdiv in *; lra).
  specialize (near _ Y); replace (IZR m / IZR d + (x - IZR m / IZR d)) with x in near by ring.
  destruct (close_sound _ _ _ _ _ _ _ _ _ _ _ C Y) as (_ & N & B & E).
  assert (K := compose_positive p m d d D); assert (L := compose_positive q m d d D).
  assert (VP := value_compose p m d d (x - IZR m / IZR d) D).
  assert (VQ := value_compose q m d d (x - IZR m / IZR d) D).
  rewrite P in K, VP; rewrite Q in L, VQ; cbn [fst snd] in *.
  apply IZR_lt in K; apply IZR_lt in L.
  replace ((IZR m + IZR d * (x - IZR m / IZR d)) / IZR d) with x in VP, VQ by (field; lra).
  rewrite !value_scale, VP, VQ in E; rewrite value_scale, VQ in B.
  simpl in E, N.
  assert (value q x <> 0) by (intros Z; apply B; rewrite Z; ring).
  replace ((1 + (x - IZR m / IZR d) * 0) / (1 + (x - IZR m / IZR d) * 0)) with 1 in E by (field; lra).
  set (y := x - IZR m / IZR d) in *.
  replace (IZR n + y * 0) with (IZR n) in E, N by ring.
  replace (IZR l * (IZR k * value p x) / (IZR k * (IZR l * value q x))) with (value p x / value q x) in E
    by (field; repeat split; auto; lra).
  rewrite Rmult_1_l in E.
  replace (target x - value p x / value q x)
    with ((value f y / IZR n - value p x / value q x) + (target x - value f y / IZR n)) by ring.
  eapply Rle_trans; [apply Rabs_triang|]; lra.
Qed.

(* The same with a weight: t / k is near the weight, f / n near the product of weight and target, and b bounds p / q. *)
Definition weighted_box_close (s : Z) (f : list Z) (n : Z) (t : list Z) (k b m h d : Z) (p q : list Z) (un ud : Z)
    : bool :=
  let (p', i) := compose p m d d in
  let (q', j) := compose q m d d in
  let p'' := scale j p' in
  let q'' := scale i q' in
  let g := Segment (- h) h d in
  (0 <? d)%Z && at_most s p'' q'' b 1 g && at_least s p'' q'' (- b) 1 g
  && close s [1%Z] [1%Z] f [n] (mul t p'') (scale k q'') un ud g.

Lemma weighted_box_close_sound s f n t k b m h d p q un ud weight target e e' x :
  weighted_box_close s f n t k b m h d p q un ud = true ->
  (forall y, IZR (- h) / IZR d <= y <= IZR h / IZR d ->
    Rabs (weight (IZR m / IZR d + y) * target (IZR m / IZR d + y) - value f y / IZR n) <= e) ->
  (forall y, IZR (- h) / IZR d <= y <= IZR h / IZR d -> Rabs (weight (IZR m / IZR d + y) - value t y / IZR k) <= e') ->
  IZR m / IZR d - IZR h / IZR d <= x <= IZR m / IZR d + IZR h / IZR d ->
  Rabs (weight x * (target x - value p x / value q x)) <= IZR un / IZR ud + e + e' * IZR b.
Proof.
  unfold weighted_box_close.
  destruct (compose p m d d) as [p' i] eqn:P; destruct (compose q m d d) as [q' j] eqn:Q.
  intros holds near near' X; apply andb_prop in holds; destruct holds as [holds C].
  apply andb_prop in holds; destruct holds as [holds L]; apply andb_prop in holds; destruct holds as [D U].
  apply Z.ltb_lt in D.
  assert (D' : 0 < IZR d) by (apply IZR_lt, D).
  assert (Y : IZR (- h) / IZR d <= x - IZR m / IZR d <= IZR h / IZR d) by (rewrite opp_IZR; unfold Rdiv in *; lra).
  specialize (near _ Y); specialize (near' _ Y).
  replace (IZR m / IZR d + (x - IZR m / IZR d)) with x in near, near' by ring.
  assert (R := at_most_sound _ _ _ _ _ _ _ U Y); assert (R' := at_least_sound _ _ _ _ _ _ _ L Y).
  destruct (close_sound _ _ _ _ _ _ _ _ _ _ _ C Y) as (_ & N & B & E).
  assert (I := compose_positive p m d d D); assert (J := compose_positive q m d d D).
  assert (VP := value_compose p m d d (x - IZR m / IZR d) D).
  assert (VQ := value_compose q m d d (x - IZR m / IZR d) D).
  rewrite P in I, VP; rewrite Q in J, VQ; cbn [fst snd] in *.
  apply IZR_lt in I; apply IZR_lt in J.
  replace ((IZR m + IZR d * (x - IZR m / IZR d)) / IZR d) with x in VP, VQ by (field; lra).
  rewrite !value_mul, !value_scale, VP, VQ in E; rewrite !value_scale, VQ in B.
  rewrite !value_scale, VP, VQ in R, R'.
  simpl in E, N.
  assert (V : value q x <> 0) by (intros Z; apply B; rewrite Z; ring).
  assert (K : IZR k <> 0) by (intros Z; apply B; rewrite Z; ring).
  replace ((1 + (x - IZR m / IZR d) * 0) / (1 + (x - IZR m / IZR d) * 0)) with 1 in E by (field; lra).
  set (y := x - IZR m / IZR d) in *.
  replace (IZR n + y * 0) with (IZR n) in E, N by ring.
  replace (IZR j * (IZR i * value p x) / (IZR i * (IZR j * value q x))) with (value p x / value q x) in R, R'
    by (field; repeat split; auto; lra).
  replace (value t y * (IZR j * (IZR i * value p x)) / (IZR k * (IZR i * (IZR j * value q x))))
    with (value t y / IZR k * (value p x / value q x)) in E by (field; repeat split; auto; lra).
  rewrite Rmult_1_l in E; rewrite opp_IZR in R'.
  set (r := value p x / value q x) in *.
  replace (weight x * (target x - r))
    with ((value f y / IZR n - value t y / IZR k * r) + (weight x * target x - value f y / IZR n)
      + - ((weight x - value t y / IZR k) * r)) by ring.
  eapply Rle_trans; [apply Rabs_triang|]; rewrite Rabs_Ropp, Rabs_mult.
  apply Rplus_le_compat.
  - eapply Rle_trans; [apply Rabs_triang|]; lra.
  - apply Rmult_le_compat; auto using Rabs_pos; apply Rabs_le; unfold Rdiv in *; lra.
Qed.


